"""Judges `firstline signals` on labelled personal data: recall, precision and F1 for each kind and file.

A prediction hits a label when both are of one kind and overlap ("overlap") or have the same ends ("exact").
Rows are grouped by template, and whole groups are held out by `data.personal_held_out`; intervals are 95 % bootstraps over
groups. Nothing is dropped without being counted:

- label types without a counterpart among our kinds are listed, and a prediction that touches only such a label is
  counted apart ("beside"), neither right nor wrong;
- labels that are not what they are called (a card without its checksum, an e-mail address without its sign) are
  counted twice: recall over all labels, and over the well-formed ones alone.
"""

import argparse
import json
import random
import re
import subprocess
from collections import Counter, defaultdict

import data

FILES = ["synthetic_support", "presidio_templates", "multidogo_slots"]
KINDS = {
    "PERSON": "name",
    "ADDRESS": "address",
    "STREET_ADDRESS": "address",
    "GPE": "location",
    "LOCATION": "location",
    "ORGANIZATION": "organisation",
    "DATE_OF_BIRTH": "date_of_birth",
    "EMAIL": "email",
    "EMAIL_ADDRESS": "email",
    "PHONE": "phone",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN": "iban",
    "IBAN_CODE": "iban",
    "SSN": "national_id",
    "US_SSN": "national_id",
    "IP_ADDRESS": "ip",
    "API_KEY": "secret",
    "PASSWORD": "secret",
    "PASSPORT": "passport",
    "DRIVER_LICENSE": "driving_licence",
    "US_DRIVER_LICENSE": "driving_licence",
    "ACCOUNT": "bank_account",
}
# No kind of ours: USERNAME, AGE, DATE_TIME, DOMAIN_NAME, NRP, PREFIX, TITLE, ZIP, ZIP_CODE, BOOKING_REF, CVV.
# An address holds places, and a place may be labelled as an address: the one found where the other is labelled is
# counted apart as well.
KINDRED = {("address", "location"), ("location", "address"), ("organisation", "location"), ("location", "organisation")}


def luhn(digits):
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def well_formed(kind, text):
    digits = [int(c) for c in text if c.isdigit()]
    if kind == "card":
        return 12 <= len(digits) <= 19 and luhn(digits)
    if kind == "iban":
        compact = re.sub(r"[^0-9A-Za-z]", "", text).upper()
        moved = compact[4:] + compact[:4]
        return len(compact) > 14 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1
    if kind == "national_id":
        number = "".join(map(str, digits))
        return len(number) == 9 and number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00"
    if kind == "email":
        return re.fullmatch(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,24}", text.strip()) is not None
    if kind == "ip":
        return text.count(".") == 3 or text.count(":") > 1
    if kind == "phone":
        return 7 <= len(digits) <= 15
    return True


def rows(folder, name, side):
    for row in data.read(folder, f"pii/{name}.jsonl.zst"):
        group = row.get("template") or data.group_key(row)
        if side == "all" or data.personal_held_out(row) == (side == "held"):
            yield {"file": name, "group": group, **row}


def predictions(binary, judged, config):
    lines = "".join(json.dumps({"id": i, "text": row["text"]}) + "\n" for i, row in enumerate(judged))
    command = [binary, "signals"] + (["--config", config] if config else [])
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["personal_data"] for line in done.stdout.splitlines()]


def overlap(a, b):
    return a["start"] < b["end"] and b["start"] < a["end"]


def exact(a, b):
    return (a["start"], a["end"]) == (b["start"], b["end"])


def tally(row, found, counts):
    """Adds one row's hits and misses to `counts[kind]`."""
    labels = [{"kind": KINDS.get(span["type"]), **span} for span in row["spans"]]
    for label in labels:
        kind = label["kind"]
        if kind is None:
            continue
        same = [f for f in found if f["type"] == kind]
        good = well_formed(kind, row["text"][label["start"] : label["end"]])
        hit = any(overlap(f, label) for f in same)
        counts[kind].update(
            labels=1, hit=hit, exact=any(exact(f, label) for f in same), good=good, good_hit=good and hit
        )
    for f in found:
        kind = f["type"]
        touched = [label for label in labels if overlap(f, label)]
        same = [label for label in touched if label["kind"] == kind]
        beside = not same and any(label["kind"] is None or (kind, label["kind"]) in KINDRED for label in touched)
        counts[kind].update(
            found=not beside, right=bool(same), right_exact=any(exact(f, label) for label in same), beside=beside
        )


def ratio(top, bottom):
    return top / bottom if bottom else float("nan")


def scores(count):
    recall, recall_exact = ratio(count["hit"], count["labels"]), ratio(count["exact"], count["labels"])
    precision, precision_exact = ratio(count["right"], count["found"]), ratio(count["right_exact"], count["found"])
    return {
        "recall": recall,
        "recall well-formed": ratio(count["good_hit"], count["good"]),
        "precision": precision,
        "F1": ratio(2 * recall * precision, recall + precision),
        "F1 exact": ratio(2 * recall_exact * precision_exact, recall_exact + precision_exact),
    }


def intervals(groups, kind, draws=300):
    """95 % bootstrap over groups, of each score."""
    chance = random.Random(7)
    groups = [counts[kind] for counts in groups if counts[kind]]
    drawn = []
    for _ in range(draws):
        total = Counter()
        for count in chance.choices(groups, k=len(groups)):
            total.update(count)
        drawn.append(scores(total))
    out = {}
    for name in drawn[0]:
        values = sorted(d[name] for d in drawn if d[name] == d[name])
        out[name] = (values[int(0.025 * len(values))], values[int(0.975 * len(values))]) if values else None
    return out


def show(name, judged, found):
    by_group = defaultdict(lambda: defaultdict(Counter))
    for row, predicted in zip(judged, found):
        tally(row, predicted, by_group[row["group"]])
    total = defaultdict(Counter)
    for counts in by_group.values():
        for kind, count in counts.items():
            total[kind].update(count)
    other = Counter(s["type"] for row in judged for s in row["spans"] if s["type"] not in KINDS)
    print(f"\n### {name}: {len(judged)} rows, {len(by_group)} templates\n")
    print(f"Labels without a counterpart: {', '.join(f'{t} {n}' for t, n in sorted(other.items())) or 'none'}\n")
    print("| kind | labels (well-formed) | recall | of well-formed | precision (found, beside) | F1 | F1 exact |")
    print("|---|---|---|---|---|---|---|")
    for kind in sorted(total, key=lambda k: -total[k]["labels"]):
        count = total[kind]
        score, spread = scores(count), intervals(by_group.values(), kind)

        def cell(field):
            if score[field] != score[field]:
                return "-"
            low, high = spread[field]
            return f"{score[field]:.3f} [{low:.3f}, {high:.3f}]"

        print(
            f"| {kind} | {count['labels']} ({count['good']}) | {cell('recall')} | {cell('recall well-formed')} "
            f"| {cell('precision')} ({count['found']}, {count['beside']}) | {cell('F1')} | {cell('F1 exact')} |"
        )


def mistakes(judged, found, kind, most):
    """Missed labels and wrong finds, to look at on the training side."""
    for row, predicted in zip(judged, found):
        for label in row["spans"]:
            if KINDS.get(label["type"]) == kind and not any(overlap(f, label) and f["type"] == kind for f in predicted):
                print("missed", row["file"], repr(row["text"][label["start"] : label["end"]]), "in", repr(row["text"][:160]))
                most -= 1
        for f in predicted:
            if f["type"] == kind and not any(overlap(f, s) and KINDS.get(s["type"]) == kind for s in row["spans"]):
                print("wrong ", row["file"], repr(row["text"][f["start"] : f["end"]]), "in", repr(row["text"][:160]))
                most -= 1
        if most <= 0:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the data folder")
    parser.add_argument("--binary", default="target/release/firstline")
    parser.add_argument("--config", help="a config for the binary, if not the defaults")
    parser.add_argument("--side", choices=["held", "train", "all"], default="held")
    parser.add_argument("--files", nargs="+", choices=FILES, default=FILES)
    parser.add_argument("--mistakes", help="list the mistakes of this kind instead; the training side only")
    asked = parser.parse_args()
    if asked.mistakes and asked.side != "train":
        parser.error("--mistakes looks at rows, and only those of --side train may be looked at")
    for name in asked.files:
        judged = list(rows(asked.data, name, asked.side))
        found = predictions(asked.binary, judged, asked.config)
        if asked.mistakes:
            mistakes(judged, found, asked.mistakes, 40)
        else:
            show(f"{name}, {asked.side} side", judged, found)


if __name__ == "__main__":
    main()
