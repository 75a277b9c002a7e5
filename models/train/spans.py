"""Rows for the token head: names, addresses and other free text in texts, with more fillings than the data has.

The data has some 250 templates; learned by heart they say little about the next one. So each training-side text comes
several times, its names, addresses, organisations, places and dates of birth replaced by others of many countries, and
hand-written sentences are filled in the same way. Faker (MIT) makes the fillings; the seed is fixed.
"""

import random
from functools import cache

from faker import Faker

import data
import encoder

SEED = 20
KINDS = {
    "PERSON": "name",
    "ADDRESS": "address",
    "STREET_ADDRESS": "address",
    "ORGANIZATION": "organisation",
    "LOCATION": "location",
    "GPE": "location",
    "DATE_OF_BIRTH": "date_of_birth",
}
LOCALES = (
    "en_US en_GB en_US en_AU en_IN en_IE de_DE fr_FR es_ES it_IT nl_NL pl_PL pt_BR sv_SE tr_TR da_DK fi_FI cs_CZ hu_HU "
    "ro_RO hr_HR no_NO es_MX en_NG id_ID vi_VN"
).split()
NAMELESS = ("banking", "credit_cards", "home", "kitchen_and_dining", "small_talk", "work")  # CLINC150: no names, no places
CODE_FORMS = ["ORD-######", "??-#####", "#-????-##", "INV/####/##", "??########", "###-#######-#######", "TRK########", "sku-####-??"]
NUMBER_FORMS = ["####", "######", "#### #### #### ####", "###-##-####", "##########", "#.#.#", "########"]
DATE_FORMS = ["%d/%m/%Y", "%Y-%m-%d", "%B %d", "%d %b", "%A", "%m/%d/%y", "%d.%m.%Y"]
POOL = 400  # fillings made of each kind in each locale

# Sentences of our own: how people give such things to a help desk, and elsewhere.
SENTENCES = [
    "my name is {name}", "i am {name}", "this is {name} speaking", "hi, {name} here, my order has not arrived",
    "it's {name}", "{name}", "name: {name}", "Full name: {name}, address: {address}", "the order is under {name}",
    "please put it on the account of {name}", "my wife {name} placed the order", "can you ask {name} to call me back",
    "i spoke with {name} yesterday and was promised a refund", "Best regards, {name}", "Thanks,\n{name}", "Kind regards\n{name}",
    "Dear {name}, thank you for your letter.", "the booking for {name} and {name2}", "ship it to {name}, {address}",
    "my address is {address}", "I moved to {address}", "please deliver to {address} instead", "deliver it to {address}",
    "change my shipping address to {address}", "the parcel went to {address} but I live at {address2}", "{address}",
    "Address: {address}", "send the invoice to {address}, thanks", "we live at {address}", "bill to: {name}, {address}",
    "i was born on {date_of_birth}", "my date of birth is {date_of_birth}", "DOB: {date_of_birth}", "born {date_of_birth}",
    "{name}, born {date_of_birth}", "my birthday is {date_of_birth}, do I get a discount?", "dob {date_of_birth}",
    "I work for {organisation}", "invoice {organisation} please", "{organisation} charged me twice", "a letter from {organisation}",
    "the supplier is {organisation} in {location}", "I am flying from {location} to {location2}", "I live in {location}",
    "do you deliver to {location}?", "our office in {location} is closed", "{name} from {organisation} in {location} wrote",
    "we are moving from {location} to {location2} next month", "{name} lives in {location}", "is there a shop near {location}",
    "tell {name} that the meeting is at {address}", "{name} <- that's how it should read on the card",
    "I'd like to add {name} as a second user", "the cardholder is {name}", "passenger names: {name} and {name2}",
    "Could you remove {name} from the account? Her husband {name2} pays now.", "patient {name} ({date_of_birth})",
    "Mr {name} asked me to write on his behalf", "who is {name}?", "{name} wrote the report with {name2}",
    "Translate: {name} went to {location} and met {name2}.", "Summarise the complaint of {name} against {organisation}.",
    "On Monday {name} signed the contract for {organisation}; {name2} countersigned it in {location}.",
    "My new flat: {address}. Old one: {address2}.", "pick up at {address} at 5pm and bring it to {organisation}",
    "my daughter {name} turned eighteen, born {date_of_birth}", "write a reply to {name} saying we will refund the 40 dollars",
    "the technician should come to {address} between 8 and 10", "user {name} cannot log in since this morning",
]  # fmt: skip
# Numbers, codes and links are found by rules, not by tokens: here they stand beside what tokens are for, as nothing.
CODES = [
    "call me on {phone}", "my number is {phone}", "phone {phone}, mail {email}", "{phone}", "tel. {phone}", "{email}",
    "write to {email} please", "my e-mail is {email}", "e-mail: {email}\nphone: {phone}", "I used {email} to sign up",
    "order {code}", "where is {code}?", "order number {code} from {date}", "ticket {code} is open since {date}",
    "the tracking code {code} does not work", "I paid {amount} twice", "{amount} were taken on {date}", "refund {amount} please",
    "invoice {code} over {amount}", "my card {number} was declined", "account {number}", "IBAN {code}", "my pin is {number}",
    "see {link}", "the page {link} shows an error", "server {ip} is down", "serial number {code}", "my password was {word}",
    "the code is {number}", "version {number} crashes", "{name}, {phone}", "{name}, {email}", "{name} <{email}>",
    "{name}, {address}, {phone}", "Name: {name}\nPhone: {phone}\nAddress: {address}\nE-mail: {email}",
    "{name} paid {amount} on {date} for {code}", "send {code} to {address}", "deliver {code} to {address} by {date}",
    "{code}, {name}", "{number}", "{code}", "I am {name}, customer {number}", "{name} ({number})", "username {word}",
    "my customer number is {number} and I live at {address}", "from {date} to {date2} I stay at {address}",
    "the flight on {date} from {location} to {location2} costs {amount}", "meet {name} on {date} at {address}",
    "born on {date_of_birth}, passport {code}", "{name}\n{address}\n{email}\n{phone}", "my dob is {date_of_birth}, account {number}",
    "weather in {location} on {date}", "flights to {location}", "hotels near {location}", "I will visit {location} in May",
    "{organisation} sent me invoice {code}", "my employer is {organisation}", "transfer {amount} to {organisation}",
    "{location} is lovely in spring", "how far is {location} from {location2}", "the {location} branch", "a parcel from {location}",
    "ship to {location}", "our firm {organisation} has its seat in {location}", "compare {organisation} and {organisation2}",
    "shares of {organisation} rose", "{name} joined {organisation} as a manager", "said {name}, who runs {organisation}",
    "{name} was born in {location}", "according to {name} the deal failed", "{name} and {name2} moved to {location}",
]  # fmt: skip
# The same words without anything personal, so that the sentence alone gives nothing away.
NOTHING = [
    "my name is wrong on the invoice", "i am angry", "this is not what i ordered", "it's broken", "name: see attached",
    "please put it on my account", "my wife placed the order", "can you ask them to call me back", "Best regards",
    "Thanks", "Dear support team, thank you for your letter.", "my address is wrong", "I moved house", "Address: see below",
    "please deliver to my office instead", "change my shipping address please", "i was born yesterday, haha",
    "my date of birth is missing", "my birthday is next week, do I get a discount?", "I work for a small company",
    "the supplier is late", "I am flying tomorrow", "do you deliver abroad?", "our office is closed", "is there a shop near me",
    "the cardholder is my father", "a second user", "who is in charge?", "write a reply saying we will refund the 40 dollars",
    "the technician should come between 8 and 10", "the user cannot log in since this morning", "the meeting is at noon",
    "May I return this in June?", "will it arrive by Friday, March 3?", "mark it as paid", "the rose is red", "bill me later",
    "I want a grace period", "can you chase the courier", "will you ship the jasmine tea", "use the amber one", "an iris scan",
]  # fmt: skip


LABELLED = {label[2:] for label in encoder.LABELS[1:]}


@cache
def fillings():
    """kind -> locale -> values."""
    made = {}
    for number, locale in enumerate(dict.fromkeys(LOCALES)):
        fake = Faker(locale)
        fake.seed_instance(SEED + number)
        pick = random.Random(SEED + number)
        made[locale] = {
            "name": [name(fake, pick) for _ in range(POOL)],
            "address": [address(fake, pick) for _ in range(POOL)],
            "organisation": [fake.company() for _ in range(POOL)],
            "location": [pick.choice([fake.city, fake.city, fake.country])() for _ in range(POOL)],
            "date_of_birth": [birth(fake, pick) for _ in range(POOL)],
            "phone": [fake.phone_number() for _ in range(POOL)],
            "email": [fake.email() for _ in range(POOL)],
            "code": [fake.bothify(pick.choice(CODE_FORMS)) for _ in range(POOL)],
            "number": [fake.numerify(pick.choice(NUMBER_FORMS)) for _ in range(POOL)],
            "amount": [f"{pick.choice('$€£')}{pick.randint(1, 2000)}.{pick.randint(0, 99):02}" for _ in range(POOL)],
            "date": [fake.date(pick.choice(DATE_FORMS)) for _ in range(POOL)],
            "link": [fake.uri() for _ in range(POOL)],
            "ip": [fake.ipv4() for _ in range(POOL)],
            "word": [fake.user_name() + pick.choice(["", "!", "#1", "_99"]) for _ in range(POOL)],
        }
    return made


def name(fake, pick):
    """Most are a first and a last name, some one of them, some with a title or an initial."""
    first, last = fake.first_name(), fake.last_name()
    forms = [f"{first} {last}"] * 6 + [first, first, last, f"{first[0]}. {last}", f"{last}, {first}", f"Dr. {first} {last}"]
    forms += [f"{first} {fake.first_name()} {last}", f"{first} {last[0]}."]
    return pick.choice(forms)


def address(fake, pick):
    """Whole addresses in one line or two, and streets alone."""
    whole = fake.address()
    forms = [whole, whole.replace("\n", ", "), whole.replace("\n", ", "), whole.replace("\n", " "), fake.street_address().split("\n")[0]]
    return pick.choice(forms)


def birth(fake, pick):
    """A date in one of the usual ways of writing it."""
    day = fake.date_of_birth(minimum_age=16, maximum_age=95)
    return day.strftime(pick.choice(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%d %b %y", "%m-%d-%y"]))


def filled(sentence, pick):
    """One of our sentences with values of one country: text and spans (start, end, kind)."""
    values = fillings()[pick.choice(LOCALES)]
    text, spans, rest = "", [], sentence
    while "{" in rest:
        before, _, rest = rest.partition("{")
        slot, _, rest = rest.partition("}")
        kind = slot.rstrip("2")
        value = pick.choice(values[kind])
        text += before
        if kind in LABELLED:
            spans.append((len(text), len(text) + len(value), kind))
        text += value
    return text + rest, spans


def joined(parts, pick):
    """Several texts one after another, with what people put between sentences."""
    text, spans = "", []
    for part, marked in parts:
        text += pick.choice([". ", " ", "\n", ", ", "! "]) if text else ""
        spans += [(start + len(text), end + len(text), kind) for start, end, kind in marked]
        text += part
    return text, spans


def refilled(row, pick):
    """A row of the data with other values in its spans."""
    values = fillings()[pick.choice(LOCALES)]
    text, spans, at = "", [], 0
    for start, end, kind in row:
        if start < at:
            continue
        value = row.text[start:end] if kind is None else pick.choice(values[kind])
        text += row.text[at:start]
        if kind:
            spans.append((len(text), len(text) + len(value), kind))
        text += value
        at = end
    return text + row.text[at:], spans


class Marked(list):
    """Spans of one text in their order, and the text."""

    def __init__(self, row):
        super().__init__(sorted((s["start"], s["end"], KINDS.get(s["type"])) for s in row["spans"]))
        self.text = row["text"]


def token_rows(folder, copies=4):
    """(text, spans) to train on, as many as asked of each text that has something to refill."""
    pick = random.Random(SEED)
    ours = SENTENCES + CODES
    out = [filled(sentence, pick) for sentence in ours for _ in range(25)]
    out += [(text, []) for text in NOTHING for _ in range(8)]
    for row in data.personal_rows(folder):
        if row["held_out"]:
            continue
        marked = Marked(row)
        spans = [span for span in marked if span[2]]
        out.append((row["text"], spans))
        if spans and row["file"] != "multidogo_slots":
            several = copies * 3 if row["file"] == "presidio_templates" else copies
            out += [refilled(marked, pick) for _ in range(several)]
    nameless = [
        (row["text"], [])
        for row in data.support_rows(folder)
        if row["file"] == "clinc150" and row["category"] in NAMELESS and not row["held_out"]
    ]
    out += nameless
    for _ in range(16000):
        parts = [filled(pick.choice(ours), pick) for _ in range(pick.choice([1, 1, 2]))]
        parts += [pick.choice(nameless) for _ in range(pick.choice([0, 1, 1]))]
        parts += [(pick.choice(NOTHING), [])] * pick.choice([0, 0, 1])
        pick.shuffle(parts)
        out.append(joined(parts, pick))
    pick.shuffle(out)
    return out


def labelled(tokenizer, text, spans, limit):
    """Token ids and label numbers; -100 for what is not judged: special tokens and all but a word's first token."""
    got = tokenizer.encode(text)
    labels, last, inside = [], None, None
    for word, (start, end) in zip(got.word_ids, got.offsets):
        if word is None or word == last:
            labels.append(-100)
            continue
        last = word
        span = next((s for s in spans if s[0] < end and start < s[1]), None)
        if span is None:
            labels.append(0)
        else:
            labels.append(encoder.LABELS.index(("I-" if span is inside else "B-") + span[2]))
        inside = span
    return got.ids[:limit], labels[:limit]
