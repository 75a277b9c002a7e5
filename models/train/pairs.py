"""Pairs made by rule: rewordings that change nothing, and small changes that change everything."""

import random
import re

SWAPS = [
    ("cancel", "keep"), ("enable", "disable"), ("turn on", "turn off"), ("open", "close"), ("activate", "deactivate"),
    ("subscribe", "unsubscribe"), ("increase", "decrease"), ("before", "after"), ("more", "less"), ("add", "remove"),
    ("buy", "sell"), ("start", "stop"), ("lock", "unlock"), ("first", "last"), ("minimum", "maximum"),
    ("monday", "tuesday"), ("today", "tomorrow"), ("london", "paris"), ("dollars", "euros"), ("credit", "debit"),
    ("checking", "savings"), ("upload", "download"), ("send", "receive"), ("accept", "reject"), ("over", "under"),
    ("visa", "mastercard"), ("my", "your"), ("chicago", "boston"), ("breakfast", "dinner"), ("john", "mary"),
    ("june", "july"), ("morning", "evening"), ("higher", "lower"), ("with", "without"), ("in", "out"),
]
AUXILIARIES = "is are was were can could do does did will would should may must am".split()
IN_WORDS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight"}
ENTITIES = [
    ("my order {}", ["4711", "4712", "98-221", "98-212", "A-1009", "A-1010"]),
    ("a refund of {}", ["$20", "$25", "20 euros", "20 dollars", "1,200 EUR", "1,300 EUR"]),
    ("my appointment on {}", ["May 3rd", "May 4th", "monday", "tuesday", "2026-01-05", "2026-01-06", "5/1", "5/2"]),
    ("the parcel for {}", ["Anna Schmidt", "Anna Schulz", "Peter Novak", "Petra Novak"]),
    ("the account of {}", ["anna@example.org", "anne@example.org", "bob@example.com", "bob@example.org"]),
    ("a table for {}", ["two", "three", "4", "5", "7pm", "8pm", "7 am", "7 pm"]),
    ("the {} plan", ["pro", "basic", "10%", "15%", "first", "second"]),
]
FRAMES = ["i need help with {}", "what is the status of {}", "please cancel {}", "can you check {} for me", "where is {}?"]


def one_value_pairs():
    """Pairs that differ in one number, date, amount, name or address: never the same answer."""
    out = []
    for thing, values in ENTITIES:
        for frame in FRAMES:
            texts = [frame.format(thing.format(value)) for value in values]
            out += [(a, b) for i, a in enumerate(texts) for b in texts[i + 1 :]]
    return out


def one_number(text):
    """The text with one digit changed, or nothing where it has none."""
    digits = [found.start() for found in re.finditer(r"[0-9]", text)]
    if not digits:
        return None
    at = digits[len(text) % len(digits)]
    return text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]


def negated(text):
    """The text with its sense turned by a `not` put in or taken out."""
    for pattern, plain in ((r"\b(do|does|did|is|are|can|could|will|would) not\b", r"\1"), (r"\b(is|are|do|does|did|could|would)n'?t\b", r"\1"), (r"\b(cannot|can't|cant)\b", "can")):
        if re.search(pattern, text, re.IGNORECASE):
            return re.sub(pattern, plain, text, count=1, flags=re.IGNORECASE)
    words = text.split(" ")
    for at, word in enumerate(words):
        if word.lower() in ("want", "need", "have", "know", "expect"):
            return " ".join([*words[:at], "do not", *words[at:]])
        if word.lower() in AUXILIARIES:
            following = at + 2 if at == 0 or words[at - 1].lower() in ("how", "where", "what", "when", "why") else at + 1
            return " ".join([*words[:following], "not", *words[following:]])
    return "do not " + text


def swapped(text):
    """The text with one word turned into its opposite or another of its kind, or nothing."""
    for one, other in SWAPS:
        for here, there in ((one, other), (other, one)):
            if re.search(rf"\b{here}\b", text, re.IGNORECASE):
                return re.sub(rf"\b{here}\b", there, text, count=1, flags=re.IGNORECASE)
    return None


def turned_around(text):
    """`from A to B` as `from B to A`, or nothing."""
    found = re.search(r"\bfrom (\w+) to (\w+)\b", text, re.IGNORECASE)
    return found and text[: found.start()] + f"from {found[2]} to {found[1]}" + text[found.end() :]


def reworded(text, seed):
    """The same question with other manners, marks, case, spelling or one slip of the pen."""
    pick = random.Random(f"{seed}:{text}")
    changes = [
        lambda t: "please " + t,
        lambda t: t + " please",
        lambda t: "hi, " + t,
        lambda t: t + ", thanks",
        lambda t: t.rstrip("?.! ") + "?",
        lambda t: t.rstrip("?.! "),
        lambda t: t.lower(),
        lambda t: t[:1].upper() + t[1:],
        lambda t: re.sub(r"\bi am\b", "i'm", t, flags=re.IGNORECASE),
        lambda t: re.sub(r"\bdo not\b", "don't", t, flags=re.IGNORECASE),
        lambda t: re.sub(r"\bwhat is\b", "what's", t, flags=re.IGNORECASE),
        lambda t: re.sub(r"\b([1-8])\b", lambda found: IN_WORDS[found[1]], t),
        lambda t: re.sub(r"^(how|where|what|when|who) ", r"can you tell me \1 ", t, flags=re.IGNORECASE),
        lambda t: re.sub(r"^i want to\b", "i would like to", t, flags=re.IGNORECASE),
        lambda t: re.sub(r"^(can|could) you\b", "would you", t, flags=re.IGNORECASE),
        lambda t: slip(t, pick),
    ]
    out = text
    for change in pick.sample(changes, 4):
        out = change(out)
    return out if out != text else changes[pick.randrange(2)](out)


def slip(text, pick):
    """Two neighbouring letters of one long word change places."""
    words = [found for found in re.finditer(r"[A-Za-z]{7,}", text)]
    if not words:
        return text
    word = pick.choice(words)
    at = word.start() + pick.randrange(1, len(word.group()) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
