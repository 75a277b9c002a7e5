"""Rows for the attack column of the encoder: attacks in many families and disguises, and what only looks like one.

    python attacks.py --data FOLDER          prints how many rows of which family there are

Whole families are kept from every training step (`HELD_FAMILIES`, listed before the first training); of the other
families a fifth of the templates is. Held-out rows say in `part` whether thresholds may be set on them (`calibrate`)
or whether they are for the report alone (`judge`); no held-out family is ever used to set a threshold.
"""

import argparse
import collections
import hashlib
import random
import re

import attack_phrases
import data
import disguise
import lookalikes
import synthetic

SEED = 41
HELD_FAMILIES = {
    "payload_splitting", "indirect_web", "context_reset", "code_wrapped", "dual_answer", "emotional", "hypothetical",
    "italian", "dutch",
}  # fmt: skip
FILLINGS = 14  # of each attack template
LOOKALIKE_FILLINGS = 12
TRAIN_TAKES = {"support": 3500, "routing": 2500, "instruct": 2000, "math": 1200, "arena": 1000}
JUDGE_TAKES = {"support": 4000, "routing": 1500, "instruct": 1200, "math": 1500, "arena": 300}
PADDED, DISGUISED = 0.8, 0.35  # shares of the training attacks that come again, in disguise
BENIGN_PADDED, BENIGN_DISGUISED = 0.12, 0.08
PADDING_WORDS = 90  # on either side; more would push the attack out of what the encoder reads
EXCERPT_WORDS = (60, 140)

ALTERNATIVES = re.compile(r"\{([^{}]*\|[^{}]*)\}")
SLOT = re.compile(r"\{(goal\w*|thing)\}")


def part_of(group, held_out):
    """Which use a row is for."""
    if not held_out:
        return "train"
    return "calibrate" if hashlib.sha256(("firstline-part:" + group).encode()).digest()[0] % 5 < 2 else "judge"


def row(text, label, group, family, held_out, part=None):
    """One row as every step here passes it on."""
    part = part or part_of(group, held_out)
    return {"text": text, "label": label, "group": group, "family": family, "held_out": held_out, "part": part}


def goals(slot, held_out):
    """Goals for one side: an attack in a held-out row wants nothing that a training row wants."""
    every = attack_phrases.GOALS_ELSEWHERE.get(slot, attack_phrases.GOALS)
    side = [g for g in every if data.held_out("attack-goal:" + g) == held_out]
    return side or every


def filled(template, held_out, pick):
    """One filling of a template."""
    text = template
    while ALTERNATIVES.search(text):
        text = ALTERNATIVES.sub(lambda m: pick.choice(m[1].split("|")), text, count=1)
    things = lookalikes.THINGS

    def value(match):
        return pick.choice(things if match[1] == "thing" else goals(match[1], held_out))

    # A slot inside an alternative closes it too early; a second pass finds what that left open.
    text = SLOT.sub(value, text)
    while ALTERNATIVES.search(text):
        text = ALTERNATIVES.sub(lambda m: pick.choice(m[1].split("|")), text, count=1)
    return text.strip(" ")


def held_templates(templates):
    """A fifth of a family's templates, at least one, chosen by hash: a rule for rows alone would leave some families
    without any."""
    order = sorted(templates, key=lambda t: hashlib.sha256(("firstline-split:" + t).encode()).digest())
    return set(order[: max(1, len(order) * data.HELD_OUT_PERCENT // 100)])


def from_templates(families, label, fillings, prefix):
    """Rows of all templates; the fillings of one are all different."""
    rows = []
    for family, templates in families.items():
        apart = held_templates(templates)
        for template in templates:
            group = "template:" + template
            pick = random.Random(f"{SEED}:{template}")
            whole = label == 1 and family in HELD_FAMILIES
            held = whole or template in apart
            texts = list(dict.fromkeys(filled(template, held, pick) for _ in range(2 * fillings)))[:fillings]
            rows += [row(t, label, group, prefix + family, held, "judge" if whole else None) for t in texts]
    return rows


def held_forms(folder):
    """Normal forms of the support texts that no training step may see, whatever file they turn up in."""
    forms = set()
    for r in data.support_rows(folder):
        if r["held_out"] or (r["file"] == "clinc150" and data.held_intent(r["intent"])):
            forms.add(data.normal_form(r["text"]))
    return forms


def sources(folder):
    """(name, text, group, held_out) of every harmless public text."""
    for r in data.support_rows(folder):
        held = r["held_out"] or (r["file"] == "clinc150" and data.held_intent(r["intent"]))
        yield "support", r["text"], r.get("conv") or data.group_key(r), held
    for r in data.routing_rows(folder):
        yield "routing", r["text"], data.group_key(r), r["held_out"]
    for r in data.read(folder, data.ARENA_FILE):
        yield "arena", r["prompt"], data.group_key(r), data.held_out(data.group_key(r))
    for name, file in (("instruct", data.CODE_AND_CHAT_FILE), ("math", data.GRADE_SCHOOL_FILE)):
        for r in data.read(folder, file):
            yield name, r["messages"][0]["content"], r["id"], data.held_out(r["id"])


def public_harmless(folder):
    """A fixed sample of the public harmless texts, for either side."""
    found = collections.defaultdict(list)
    for name, text, group, held in sources(folder):
        if text.strip():
            found[name, held].append(row(text, 0, group, name, held))
    pick, rows = random.Random(SEED), []
    for (name, held), these in sorted(found.items()):
        takes = (JUDGE_TAKES if held else TRAIN_TAKES)[name]
        rows += pick.sample(these, min(takes, len(these)))
    return rows


def public_jailbreaks(folder):
    """The jailbreak file: long prompts that people pass on, and harmless rows beside them."""
    rows = []
    for r in data.jailbreak_rows(folder):
        group = "jailbreak-file:" + data.group_key(r)
        family = "jailbreak" if r["label"] else r["type"]
        rows.append(row(r["text"], r["label"], group, family, r["held_out"]))
    return rows


def excerpts(rows, pick):
    """The beginnings of long training attacks: in a chunk or a short paste no more is seen."""
    out = []
    for r in rows:
        words = r["text"].split(" ")
        if r["label"] and not r["held_out"] and len(words) > EXCERPT_WORDS[1]:
            out.append(dict(r, text=" ".join(words[: pick.randint(*EXCERPT_WORDS)]), family=r["family"] + "+excerpt"))
    return out


def padding(pool, pick, most=PADDING_WORDS):
    """Up to so many words of harmless text; often none."""
    if pick.random() < 0.25:
        return ""
    wanted, words = pick.randint(1, most), []
    while len(words) < wanted:
        words += pick.choice(pool).split()
    return " ".join(words[: max(wanted, 1)])


def disguised(rows, pick):
    """Training rows once more, padded or disguised: both labels, so that neither is a sign of guilt."""
    pool = [r["text"] for r in rows if not r["label"] and r["family"] in ("support", "math", "benign-support")]
    out = []
    for r in rows:
        short = len(r["text"].split()) <= 120
        shares = (PADDED, DISGUISED) if r["label"] else (BENIGN_PADDED, BENIGN_DISGUISED)
        if short and pick.random() < shares[0]:
            text = disguise.padded(r["text"], padding(pool, pick), padding(pool, pick), pick)
            out.append(dict(r, text=text, family=r["family"] + "+padded"))
        if short and pick.random() < shares[1]:
            how = pick.choice(disguise.LEARNT)
            out.append(dict(r, text=how(r["text"], pick), family=r["family"] + "+disguised"))
    return out


def without_leaks(rows, forms):
    """No text on both sides: a training row that says what a held-out row says is dropped."""
    forms = forms | {data.normal_form(r["text"]) for r in rows if r["held_out"]}
    seen, kept = set(), []
    for r in rows:
        form = data.normal_form(r["text"])
        if (r["held_out"] or form not in forms) and (form, r["held_out"]) not in seen:
            seen.add((form, r["held_out"]))
            kept.append(r)
    return kept


def attack_rows(folder):
    """Rows `{text, label, group, family, held_out, part}` in a fixed random order; train on `not held_out` alone."""
    pick = random.Random(SEED)
    rows = from_templates(attack_phrases.FAMILIES, 1, FILLINGS, "")
    rows += from_templates(lookalikes.LOOKALIKES, 0, LOOKALIKE_FILLINGS, "like:")
    rows += [row(r["text"], 0, "topic:" + r["topic"], "topic", r["held_out"]) for r in synthetic.topic_rows()]
    rows += public_jailbreaks(folder) + public_harmless(folder)
    rows = without_leaks(rows, held_forms(folder))
    training = [r for r in rows if not r["held_out"]]
    rows += excerpts(rows, pick) + disguised(training, pick)
    pick.shuffle(rows)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    found = attack_rows(parser.parse_args().data)
    table = collections.Counter((r["label"], r["part"], r["family"]) for r in found)
    for (label, part, family), count in sorted(table.items()):
        print(f"{'attack' if label else 'harmless':9} {part:10} {family:32} {count:6}")
    for label in (1, 0):
        print(label, collections.Counter(r["part"] for r in found if r["label"] == label))
