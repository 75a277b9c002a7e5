"""Lists the words of everyday English, so that everything else can be taken for a name.

    python common_words.py --data FOLDER --output ../../src/similar/common_words.txt

Read from texts that were written with care for capital letters. A word is common when it is written small in the
middle of sentences nearly always; `london` and `chipotle` are not, nor is a slip of the pen.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import data

FEWEST, SMALL_SHARE = 2, 0.7
OFTEN, OFTEN_SHARE = 25, 0.2  # `new` stays common although `New York` is written more often

# Everyday words of support and of assistants that the sources above happen to lack.
ALSO = """complaint complaints reclamation reclamations parcel parcels talk talking chat chatting lodge pwd shop newsletter newsletters timezone timezones freemium platinum signup login logout checkout webpage website
reimbursements unsubscribing unsubscribed resubscribe preorder shipments refunds refunded refunding restitution
chargeback voucher vouchers coupon coupons helpline hotline roommate carryon paycheck payday checkbook checkbooks
smartphone wifi playlist playlists podcast reroute rollover cilantro sunscreen thermostat vacuum whisper
mileage odometer dealership jumpstart tire tires overdraft payoff timesheet paystub deductible copay
""".split()


def sources(folder):
    """Texts by source, written by people or models that use capitals."""
    yield "gpteacher", [m["content"] for r in data.read(folder, data.CODE_AND_CHAT_FILE) for m in r["messages"]]
    yield "gsm8k", [m["content"] for r in data.read(folder, data.GRADE_SCHOOL_FILE) for m in r["messages"]]
    yield "sgd", [m["content"] for r in data.read(folder, data.SGD_FILE) if not data.held_out(r["id"]) for m in r["messages"]]
    yield "paws", [r[k] for r in data.read(folder, data.PAWS_FILE) if not data.held_out(r["id"]) for k in ("text_a", "text_b")]
    yield "arena", [r["prompt"] for r in data.read(folder, data.ARENA_FILE)]
    yield "routing", [r["text"] for r in data.routing_rows(folder) if not r["held_out"]]
    yield "faq", [t for r in data.faq_rows(folder) if not r["held_out"] for t in (r["text"], r["answer"])]
    yield "answers", [r["answer"] for r in data.support_rows(folder) if not r["held_out"] and r.get("answer")]


def counts(texts):
    """How often each word is written small, and how often with a capital inside a sentence."""
    small, capital = Counter(), Counter()
    for text in texts:
        for found in re.finditer(r"(?<![A-Za-z0-9'’_/@.-])[A-Za-z]+(?![A-Za-z0-9_/@])", text):
            word, before = found.group(), text[max(0, found.start() - 3) : found.start()].rstrip(" ")
            if word.islower():
                small[word] += 1
            elif before and before[-1].isalpha() and word[1:].islower():
                capital[word.lower()] += 1
    return small, capital


def is_small(count, share):
    """True for a word that is written small nearly always, or often beside a name that holds it."""
    return (count >= FEWEST and share >= SMALL_SHARE) or (count >= OFTEN and share >= OFTEN_SHARE)


def common(folder):
    """The words, sorted."""
    small, capital = Counter(), Counter()
    for _, texts in sources(folder):
        ours, theirs = counts(texts)
        small.update(ours)
        capital.update(theirs)
    kept = [
        word
        for word, count in small.items()
        if len(word) >= 3 and is_small(count, count / (count + capital[word]))
    ]
    return sorted({*kept, *ALSO})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    asked = parser.parse_args()
    words = common(asked.data)
    Path(asked.output).write_text("\n".join(words) + "\n", encoding="utf-8")
    print(f"{len(words)} words")


if __name__ == "__main__":
    main()
