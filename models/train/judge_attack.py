"""Judges the attack signal through the gateway's own code, on rows that no training step and no threshold has seen.

    python judge_attack.py --data FOLDER --binary ../../target/release/firstline [--model FOLDER] [--before FOLDER]

Every text goes through `firstline signals`; the threshold is the one in heads.json. `--before` is a model folder with
an attack head on the text's vector, to compare with. Intervals are 95 %, from resampling templates, not rows.
"""

import argparse
import collections
import json
import random
import subprocess
from pathlib import Path

import numpy as np

import attacks
import disguise
from logistic import linear_score

SEED, DRAWS = 47, 1000
PADDING_WORDS = (2, 10, 50)
DISGUISED_ATTACKS, PADDED_ATTACKS = 240, 400
HARMLESS = {"support": 2000, "math": 864, "routing": 600, "instruct": 500}


def through_the_gateway(binary, texts, signal="attack"):
    """One signal of every text; None where it was assumed."""
    lines = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts))
    done = subprocess.run([binary, "signals"], input=lines, capture_output=True, text=True, encoding="utf-8")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if len(rows) != len(texts):
        raise SystemExit(f"{len(rows)} rows for {len(texts)} texts: {done.stderr[-500:]}")
    return [row[signal] for row in rows]


def by_vector(model, texts):
    """Scores of a head on the text's vector, as shipped before."""
    import heads as fitting

    head = json.loads((Path(model) / "heads.json").read_text(encoding="utf-8"))["attack"]
    return linear_score(head, fitting.Embedder(model)(texts), texts)


def interval(hits, groups):
    """95 % interval of a mean, from resampling whole groups."""
    members = collections.defaultdict(list)
    for hit, group in zip(hits, groups):
        members[group].append(hit)
    sums = np.array([[sum(m), len(m)] for m in members.values()], float)
    draws = np.random.default_rng(SEED).integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[draws].sum(1)
    return np.quantile(means[:, 0] / means[:, 1], [0.025, 0.975])


def told(name, hits, groups):
    low, high = interval(hits, groups)
    print(f"{name:44} {np.mean(hits):6.1%} [{low:.1%}, {high:.1%}]  n={len(hits)}, groups={len(set(groups))}", flush=True)


def judged_rows(folder):
    """Attacks of held-out families, attacks of held-out templates, harmless rows (a sample of the large sources)."""
    rows = [r for r in attacks.attack_rows(folder) if r["part"] == "judge" and r["text"].strip()]
    pick = random.Random(SEED)
    harmless = collections.defaultdict(list)
    for r in rows:
        if not r["label"]:
            harmless[r["family"]].append(r)
    kept = [pick.sample(these, min(len(these), HARMLESS.get(name, 10**6))) for name, these in sorted(harmless.items())]
    return [r for r in rows if r["label"]], [r for these in kept for r in these]


def words(pool, count, pick):
    """So many harmless words."""
    found = []
    while len(found) < count:
        found += pick.choice(pool).split()
    return " ".join(found[:count])


def paddings(pool):
    """Ways to hide an attack in harmless words: name, function of (text, random)."""
    for count in PADDING_WORDS:
        yield f"{count} words before", lambda t, p, n=count: words(pool, n, p) + " " + t
        yield f"{count} words after", lambda t, p, n=count: t + " " + words(pool, n, p)
        yield f"{count} words on both sides", lambda t, p, n=count: f"{words(pool, n, p)} {t} {words(pool, n, p)}"
    yield "whole messages on both sides", lambda t, p: "\n".join([p.choice(pool), p.choice(pool), t, p.choice(pool), p.choice(pool)])
    yield "in the middle of 1000 words", lambda t, p: f"{words(pool, 500, p)} {t} {words(pool, 500, p)}"


def changed(rows, change, pick):
    return [change(r["text"], pick) for r in rows]


def main(given):
    head = json.loads((Path(given.model) / "heads.json").read_text(encoding="utf-8"))["attack"]
    bad, good = judged_rows(given.data)
    pick = random.Random(SEED)

    def score(texts):
        return np.array([1.0 if s is None else s for s in through_the_gateway(given.binary, texts)])

    good_scores, bad_scores = score([r["text"] for r in good]), score([r["text"] for r in bad])
    everyday = np.array([not r["family"].startswith("like:") for r in good])
    ranked = np.quantile(good_scores[everyday], 0.99)
    shipped = head["threshold_at_1_percent"]
    print(f"\nthreshold shipped {shipped:.4f}; 1 % of the judged everyday rows lies above {ranked:.4f}\n\nFALSE ALARMS at the shipped threshold")
    flagged = good_scores > shipped
    told("all everyday rows", flagged[everyday], [r["group"] for r, e in zip(good, everyday) if e])
    for family in sorted({r["family"] for r in good}):
        at = [i for i, r in enumerate(good) if r["family"] == family]
        told(family, flagged[at], [good[i]["group"] for i in at])

    print("\nCAUGHT at the shipped threshold")
    unseen = np.array([r["family"] in attacks.HELD_FAMILIES for r in bad])
    caught = bad_scores > shipped
    groups = np.array([r["group"] for r in bad])
    told("held-out families", caught[unseen], groups[unseen])
    told("held-out families, 1 % of the judged rows", bad_scores[unseen] > ranked, groups[unseen])
    told("held-out templates of trained families", caught[~unseen], groups[~unseen])
    for family in sorted({r["family"] for r in bad}, key=lambda f: (f not in attacks.HELD_FAMILIES, f)):
        at = [i for i, r in enumerate(bad) if r["family"] == family]
        told(("held out: " if family in attacks.HELD_FAMILIES else "trained: ") + family, caught[at], groups[at])

    held = [r for r, u in zip(bad, unseen) if u]
    print("\nPADDING, held-out families (a sample; the first line is the sample itself)")
    sample = pick.sample(held, min(PADDED_ATTACKS, len(held)))
    pool = [r["text"] for r in good if r["family"] == "support"]
    told("as they are", score([r["text"] for r in sample]) > shipped, [r["group"] for r in sample])
    for name, change in paddings(pool):
        told(name, score(changed(sample, change, pick)) > shipped, [r["group"] for r in sample])
    print("\nDISGUISES, held-out families; harmless rows in the same disguise beside them")
    sample = pick.sample(sample, min(DISGUISED_ATTACKS, len(sample)))
    calm = pick.sample([r for r in good if r["family"] in ("support", "math", "instruct")], DISGUISED_ATTACKS)
    told("as they are", score([r["text"] for r in sample]) > shipped, [r["group"] for r in sample])
    for name, change in disguise.DISGUISES.items():
        told(name, score(changed(sample, change, pick)) > shipped, [r["group"] for r in sample])
        told("  harmless", score(changed(calm, change, pick)) > shipped, [r["group"] for r in calm])

    print("\nBASELINES, held-out families, at 1 % of the judged everyday rows")
    padded = changed(held, lambda t, p: words(pool, 10, p) + " " + t, pick)
    baselines = {"length": lambda texts: np.array([len(t) for t in texts])}
    if given.before:
        baselines["the head before"] = lambda texts: by_vector(given.before, texts)
    for name, baseline in baselines.items():
        limit = np.quantile(baseline([r["text"] for r, e in zip(good, everyday) if e]), 0.99)
        told(name, baseline([r["text"] for r in held]) > limit, groups[unseen])
        told(name + ", after 10 harmless words", baseline(padded) > limit, groups[unseen])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", default=str(Path(__file__).parent.parent / "firstline-encoder"))
    parser.add_argument("--before")
    main(parser.parse_args())
