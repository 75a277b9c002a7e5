"""Judges the complexity head, above all on benchmarks that it has never seen.

    python judge_complexity.py --data FOLDER --work FOLDER --model FOLDER

Writes `complexity.json` into the work folder and prints the card's tables. Each benchmark is judged by a head whose
fit, and whose choice of everything in `complexity.choose`, left its whole family out. AUC: ranking of "the small
models fail" inside the benchmark. PGR, APGR and CPT as RouteLLM defines them (arXiv 2406.18665): the share of the
quality gap between the small and the strong models that a share of strong calls recovers, its mean over all shares,
and the least share of strong calls, in percent, that recovers 50 or 80 % of it. Random is 0.5, 50 and 80; always
local recovers nothing, always remote all of it at 100 %; the oracle sorts by the true gain.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import complexity
import complexity_probes
import heads as fitting
from logistic import calibrated, linear_score, platt, sigmoid
from measures import auc, calibration_error, interval, length_model

LEAST_GAP = 0.05  # between strong and small: below it there is nothing to recover and a share of it means nothing
OUTCOMES, DRAWS = 150, 20


def recovered(gain, scores):
    """Share of the gap recovered with the 0, 1, … rows of the highest score sent to the strong models."""
    order = np.argsort(-scores, kind="stable")
    return np.concatenate([[0], np.cumsum(gain[order])]) / gain.sum()


def apgr(gain, scores):
    """Mean share recovered over all shares of strong calls."""
    curve = recovered(gain, scores)
    return float((curve[1:] + curve[:-1]).mean() / 2)


def calls_for(part):
    """Statistic: percent of strong calls that recover this part of the gap."""
    return lambda gain, scores: 100 * float(np.argmax(recovered(gain, scores) >= part)) / len(gain)


def routing_figures(gain, scores):
    """APGR and CPT of an order, with intervals."""
    return {
        "apgr": interval(apgr, gain, scores),
        "cpt50": interval(calls_for(0.5), gain, scores),
        "cpt80": interval(calls_for(0.8), gain, scores),
    }


def recalibration(labels, scores, seed):
    """Probabilities of the rows that are left after Platt on some of the operator's own outcomes, and their places."""
    order = np.random.RandomState(seed).permutation(len(labels))
    told, asked = order[:OUTCOMES], order[OUTCOMES:]
    spread = scores.std() + 1e-9
    if labels[told].min() == labels[told].max():
        return asked, np.full(len(asked), (labels[told].sum() + 1) / (OUTCOMES + 2))
    a, b = platt(scores[told] / spread, labels[told], np.ones(OUTCOMES), 1.0)
    return asked, sigmoid(a * scores[asked] / spread + b)


def error_after_outcomes(labels, scores):
    """Mean ECE after recalibration, and that of a perfectly calibrated score on as many rows (binning is not free)."""
    found, floor = [], []
    for seed in range(DRAWS):
        asked, chance = recalibration(labels, scores, seed)
        drawn = (np.random.RandomState(seed).random_sample(len(asked)) < chance).astype(float)
        found.append(calibration_error(labels[asked], chance))
        floor.append(calibration_error(drawn, chance))
    return round(float(np.mean(found)), 4), round(float(np.mean(floor)), 4)


def unseen_scores(rows, say):
    """For each family a head that never saw it, calibrated on scores of other families that it had not seen either:
    raw scores, probabilities, the length baseline, what was chosen."""
    scores, chance, length = (np.zeros(len(rows.texts)) for _ in range(3))
    search, chosen = complexity.Search(rows), {}
    for name in sorted(set(rows.families[rows.measured])):
        here, seen = rows.families == name, rows.part(rows.families != name)
        chosen[name], others = search.choose({name})
        scores[here] = search.score(chosen[name], here, {name})
        chance[here] = calibrated(complexity.calibration(seen, others), scores[here])
        hard = (seen.target >= 0.5).astype(int)
        length[here] = length_model(seen.texts, hard, seen.weight)([t for t, h in zip(rows.texts, here) if h])
        say(f"without {name}: {chosen[name]}")
    return scores, chance, length, chosen


def judge_benchmark(labels, gain, scores, chance, length):
    """All figures of one benchmark that the head has not seen."""
    out = {"rows": len(labels), "hard": round(float(labels.mean()), 3), "mean_p": round(float(chance.mean()), 3)}
    if min(labels.sum(), len(labels) - labels.sum()) >= complexity.LEAST_OF_A_CLASS:
        out["auc"] = interval(auc, labels, scores)
        out["length_auc"] = interval(auc, labels, length)
        out["auc_gain_over_length"] = interval(lambda y, p, q: auc(y, p) - auc(y, q), labels, scores, length)
    if not np.isnan(gain).any() and gain.mean() >= LEAST_GAP:
        out["model"], out["length"] = routing_figures(gain, scores), routing_figures(gain, length)
        out["oracle"] = routing_figures(gain, gain)
        out["gap"] = round(float(gain.mean()), 3)
    out["ece"] = interval(calibration_error, labels, chance)
    if len(labels) >= 2 * OUTCOMES:
        out["ece_after_outcomes"], out["ece_of_perfect"] = error_after_outcomes(labels, scores)
    return out


def pooled_after_outcomes(rows, scores, groups):
    """ECE over all benchmarks together, each recalibrated on its own first outcomes."""
    found = []
    for seed in range(DRAWS):
        labels, chances = [], []
        for group in groups:
            here = np.flatnonzero(rows.groups == group)
            asked, chance = recalibration(rows.target[here], scores[here], seed)
            labels.append(rows.target[here][asked])
            chances.append(chance)
        found.append(calibration_error(np.concatenate(labels), np.concatenate(chances)))
    return [round(float(x), 4) for x in (np.mean(found), *np.percentile(found, [2.5, 97.5]))]


def judge_unseen(rows, gain, say):
    """The cross-benchmark view."""
    scores, chance, length, chosen = unseen_scores(rows, say)
    each = {}
    for group in sorted(set(rows.groups[rows.measured])):
        here = rows.groups == group
        each[group] = judge_benchmark(rows.target[here], gain[here], scores[here], chance[here], length[here])
    there = rows.measured
    labels = rows.target[there]
    large = [group for group, found in each.items() if found["rows"] >= 2 * OUTCOMES]

    def mean(key):
        return round(float(np.mean([e[key][0] for e in each.values() if key in e])), 4)

    return {
        "chosen_without": chosen,
        "each": each,
        "mean_auc": mean("auc"),
        "mean_length_auc": mean("length_auc"),
        "pooled_auc": interval(auc, labels, scores[there]),
        "pooled_length_auc": interval(auc, labels, length[there]),
        "ece": interval(calibration_error, labels, chance[there]),
        "ece_after_outcomes": pooled_after_outcomes(rows, scores, large),
    }


def judge_seen(rows, head, train):
    """Held-out rows of the benchmarks that the shipped head was fitted on."""
    chance = calibrated(head["calibration"], complexity.raw_score(head, rows))
    length = length_model(train.texts, (train.target >= 0.5).astype(int), train.weight)(rows.texts)
    rate = {g: train.target[train.groups == g].mean() for g in set(rows.groups)}
    there, easy, arena = rows.measured, rows.groups == "support", rows.groups == "arena-hard"
    labels = rows.target[there]
    hard = there & (rows.target == 1)
    told_apart = np.concatenate([np.zeros(easy.sum()), np.ones(hard.sum())])

    def mean_and_share(chosen):
        found = chance[chosen]
        return {"rows": len(found), "mean_p": round(float(found.mean()), 4), "at_half": round(float((found >= 0.5).mean()), 4)}

    return {
        "rows": int(there.sum()),
        "hard": round(float(labels.mean()), 4),
        "auc": interval(auc, labels, chance[there]),
        "ece": interval(calibration_error, labels, chance[there]),
        "within": round(complexity.within(rows, chance, there), 4),
        "length_auc": interval(auc, labels, length[there]),
        "length_ece": interval(calibration_error, labels, length[there]),
        "length_within": round(complexity.within(rows, length, there), 4),
        "benchmark_name_known_auc": interval(auc, labels, np.array([rate[g] for g in rows.groups[there]])),
        "support": mean_and_share(easy),
        "arena_hard": mean_and_share(arena),
        "support_against_hard_auc": interval(auc, told_apart, np.concatenate([chance[easy], chance[hard]])),
    }


def judge(folder, head, embed, say=lambda line: None):
    """Everything, as one dict."""
    listed = complexity.complexity_rows(folder)
    rows = complexity.Rows(listed, embed([r["text"] for r in listed]))
    held = np.array([r["held_out"] for r in listed])
    missing = float("nan")
    ends = [(r.get("strong"), r.get("small")) for r in listed]
    gain = np.array([missing if strong is None or small is None else strong - small for strong, small in ends])
    out = {"seen": judge_seen(rows.part(held), head, rows.part(~held))}
    say(json.dumps(out))
    out["unseen"] = judge_unseen(rows, gain, say)
    say(tables(out))
    out["probes"] = complexity_probes.probes(folder, listed, lambda texts: linear_score(head, embed(texts), texts))
    return out


def cell(value):
    """A figure with its interval, or nothing."""
    return "" if value is None else f"{value[0]:.3g} [{value[1]:.3g}, {value[2]:.3g}]"


def tables(found):
    """The cross-benchmark part of the card."""
    lines = ["| benchmark | rows | hard | AUC | length AUC | APGR | length | oracle | CPT(50) | CPT(80) | ECE | after 150 outcomes |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, e in found["unseen"]["each"].items():
        model, oracle = e.get("model", {}), e.get("oracle", {}).get("apgr", [None])[0]
        after = f"{e['ece_after_outcomes']:.3f} ({e['ece_of_perfect']:.3f})" if "ece_after_outcomes" in e else ""
        columns = [cell(e.get("auc")), cell(e.get("length_auc")), cell(model.get("apgr"))]
        columns += [cell(e.get("length", {}).get("apgr")), "" if oracle is None else f"{oracle:.2f}"]
        columns += [cell(model.get("cpt50")), cell(model.get("cpt80")), f"{e['ece'][0]:.3f}", after]
        lines.append(f"| {name} | {e['rows']} | {e['hard']:.2f} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    given = parser.parse_args()
    shipped = json.loads((Path(given.model) / "heads.json").read_text(encoding="utf-8"))["complexity"]
    result = judge(given.data, shipped, fitting.Embedder(given.model, given.work), lambda line: print(line, flush=True))
    (Path(given.work) / "complexity.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in result["unseen"].items() if k != "each"}))
    print(json.dumps(result["probes"], indent=1))
