"""Scores the shipped files on held-out rows, beside trivial baselines.

    python evaluate.py --data FOLDER --work FOLDER --model FOLDER

Writes `scores.json` into the work folder and prints it. Intervals are 95 %
percentile bootstraps over rows. Every model score comes from `encoder.onnx` and
`heads.json` as shipped; only "unseen benchmark" refits the head, once for each
family left out, because no single head can have seen none of them.
"""

import argparse
import json
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

import data
import encoder
import export
import heads as fitting
import topics

SEED, ROUNDS = 20, 300


def interval(statistic, *arrays):
    """[value, low, high] of a statistic over jointly resampled rows."""
    generator, size, values = np.random.RandomState(SEED), len(arrays[0]), []
    for _ in range(ROUNDS):
        chosen = generator.randint(0, size, size)
        values.append(statistic(*(a[chosen] for a in arrays)))
    low, high = np.nanpercentile(values, [2.5, 97.5])  # NaN: a resample with one class only
    return [round(float(x), 4) for x in (statistic(*arrays), low, high)]


def calibration_error(labels, chances, bins=10):
    """Expected calibration error over equal-width bins."""
    place = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = [abs(labels[place == b].mean() - chances[place == b].mean()) * (place == b).mean() for b in set(place)]
    return float(sum(gaps))


def within_groups(labels, scores, groups):
    """Mean AUC inside each benchmark with both outcomes: what is left when the benchmark is known."""
    found = {}
    for group in sorted(set(groups)):
        chosen = groups == group
        if min(labels[chosen].sum(), (1 - labels[chosen]).sum()) >= 10:
            found[group] = round(float(roc_auc_score(labels[chosen], scores[chosen])), 3)
    return {"mean": round(float(np.mean(list(found.values()))), 4), "each": found}


def length_model(texts, labels, weights):
    """The baseline to beat: logistic regression on the logarithm of the prompt's length."""
    lengths = np.log1p([len(t) for t in texts])[:, None]
    model = LogisticRegression().fit(lengths, labels, weights)
    return lambda asked: model.predict_proba(np.log1p([len(t) for t in asked])[:, None])[:, 1]


def score_complexity(folder, head, embed):
    """Held-out rows of seen benchmarks, and benchmarks left out whole."""
    rows = fitting.complexity_rows(folder)
    train = [r for r in rows if not r["held_out"]]
    test = [r for r in rows if r["held_out"] and r["group"] not in ("support", "arena-hard")]
    easy = [r for r in rows if r["held_out"] and r["group"] == "support"]

    def column(part, key):
        return np.array([r[key] for r in part])

    texts = [r["text"] for r in test]
    labels, groups = column(test, "target"), column(test, "group")
    chance = fitting.linear_score(head, embed(texts), texts)
    hard = (column(train, "target") >= 0.5).astype(int)
    length = length_model([r["text"] for r in train], hard, column(train, "weight"))
    by_length = length(texts)
    rate = {g: np.mean([r["target"] for r in train if r["group"] == g]) for g in set(column(train, "group"))}
    by_name = np.array([rate[g] for g in groups])
    majority = max(labels.mean(), 1 - labels.mean())

    def accuracy(y, p):
        return float(((p >= 0.5) == y).mean())

    out = {
        "rows": len(test),
        "share_hard": round(float(labels.mean()), 4),
        "model": {
            "auc": interval(roc_auc_score, labels, chance),
            "accuracy": interval(accuracy, labels, chance),
            "ece": interval(calibration_error, labels, chance),
            "within_benchmark_auc": within_groups(labels, chance, groups),
        },
        "length": {
            "auc": interval(roc_auc_score, labels, by_length),
            "accuracy": interval(accuracy, labels, by_length),
            "ece": interval(calibration_error, labels, by_length),
            "within_benchmark_auc": within_groups(labels, by_length, groups),
        },
        "auc_gain_over_length": interval(
            lambda y, p, q: roc_auc_score(y, p) - roc_auc_score(y, q), labels, chance, by_length
        ),
        "benchmark_name_known": {"auc": interval(roc_auc_score, labels, by_name)},
        "majority": {"auc": 0.5, "accuracy": round(float(majority), 4)},
        "per_benchmark": {
            g: {
                "rows": int((groups == g).sum()),
                "hard": round(float(labels[groups == g].mean()), 3),
                "mean_probability": round(float(chance[groups == g].mean()), 3),
            }
            for g in sorted(set(groups))
        },
    }
    both = [i for i, r in enumerate(test) if r["strong"] is not None]
    gain = np.array([float(test[i]["small"] < 0.5 <= test[i]["strong"]) for i in both])
    out["only_the_strong_model_right"] = {
        "rows": len(both),
        "share": round(float(gain.mean()), 4),
        "auc": interval(roc_auc_score, gain, chance[both]),
        "length_auc": interval(roc_auc_score, gain, by_length[both]),
    }
    easy_texts = [r["text"] for r in easy]
    easy_chance = fitting.linear_score(head, embed(easy_texts), easy_texts)
    out["support_questions"] = {
        "rows": len(easy),
        "mean_probability": round(float(easy_chance.mean()), 4),
        "at_or_above_half": round(float((easy_chance >= 0.5).mean()), 4),
        "auc_against_benchmark_rows_hard": interval(
            roc_auc_score,
            np.concatenate([np.zeros(len(easy)), np.ones(int(labels.sum()))]),
            np.concatenate([easy_chance, chance[labels == 1]]),
        ),
    }
    out["unseen_benchmark"] = unseen_benchmarks(rows, head["strength"], embed)
    return out


def unseen_benchmarks(rows, strength, embed):
    """Leaves each benchmark family out of the fit and scores all of its rows."""
    families = np.array([fitting.family(r["group"]) for r in rows])
    vectors = embed([r["text"] for r in rows])
    scores, by_length, measured = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows), bool)
    for name in sorted(set(families) - {"support", "arena-hard"}):
        seen, unseen = np.flatnonzero(families != name), np.flatnonzero(families == name)
        part = [rows[i] for i in seen]
        head = fitting.fit_complexity(part, vectors[seen], strength, calibrate=False)
        texts = [rows[i]["text"] for i in unseen]
        scores[unseen] = fitting.linear_score(head, vectors[unseen], texts)
        hard = np.array([r["target"] >= 0.5 for r in part]).astype(int)
        by_length[unseen] = length_model([r["text"] for r in part], hard, [r["weight"] for r in part])(texts)
        measured[unseen] = True
    labels = np.array([r["target"] for r in rows])[measured]
    each = {}
    for name in sorted(set(families[measured])):
        chosen = families[measured] == name
        if min(labels[chosen].sum(), (1 - labels[chosen]).sum()) >= 20:
            each[name] = {
                "rows": int(chosen.sum()),
                "hard": round(float(labels[chosen].mean()), 3),
                "mean_probability": round(float(scores[measured][chosen].mean()), 3),
                "auc": interval(roc_auc_score, labels[chosen], scores[measured][chosen]),
                "length_auc": interval(roc_auc_score, labels[chosen], by_length[measured][chosen]),
            }
    return {
        "rows": int(measured.sum()),
        "pooled_auc": interval(roc_auc_score, labels, scores[measured]),
        "pooled_length_auc": interval(roc_auc_score, labels, by_length[measured]),
        "ece": interval(calibration_error, labels, scores[measured]),
        "mean_auc_within": round(float(np.mean([e["auc"][0] for e in each.values()])), 4),
        "mean_length_auc_within": round(float(np.mean([e["length_auc"][0] for e in each.values()])), 4),
        "each": each,
    }


def score_attack(folder, head, embed):
    """Ranking quality, and false alarms on each kind of harmless text."""
    rows = fitting.attack_rows(folder)
    train, test = [r for r in rows if not r["held_out"]], [r for r in rows if r["held_out"]]
    texts = [r["text"] for r in test]
    labels, groups = np.array([r["label"] for r in test]), np.array([r["group"] for r in test])
    chance = fitting.linear_score(head, embed(texts), texts)
    length = length_model([r["text"] for r in train], [r["label"] for r in train], None)(texts)
    own = np.isin(groups, ["jailbreak-template", "dan", "tap"]) | np.char.startswith(groups, "benign")

    def caught(y, p):
        return float((p[y == 1] > np.quantile(p[y == 0], 0.99)).mean())

    out = {"rows": len(test), "attacks": int(labels.sum()), "majority_accuracy": round(float((labels == 0).mean()), 4)}
    for name, chosen in (
        ("all", np.ones(len(test), bool)),
        ("jailbreak_file_only", own),
        ("synthetic_only", np.char.startswith(groups, "synthetic")),
    ):
        y, p = labels[chosen], chance[chosen]
        out[name] = {
            "rows": int(chosen.sum()),
            "attacks": int(y.sum()),
            "auc": interval(roc_auc_score, y, p),
            "length_auc": interval(roc_auc_score, y, length[chosen]),
            "caught_at_1_percent_false_alarms": interval(caught, y, p),
            "caught_at_half": round(float((p[y == 1] >= 0.5).mean()), 4),
            "false_alarms_at_half": round(float((p[y == 0] >= 0.5).mean()), 4),
            "ece": interval(calibration_error, y, p),
        }
    out["false_alarms_at_half_by_kind"] = {
        g: [int((groups == g).sum()), round(float((chance[groups == g] >= 0.5).mean()), 4)]
        for g in sorted(set(groups[labels == 0]))
    }
    out["threshold_for_1_percent_false_alarms"] = round(float(np.quantile(chance[labels == 0], 0.99)), 4)
    return out


def score_topic(folder, head, embed):
    """Accuracy and macro F1 over held-out rows, and how well `none` is told apart."""
    rows = [r for r in fitting.topic_rows(folder) if r["held_out"]]
    train = Counter(r["topic"] for r in fitting.topic_rows(folder) if not r["held_out"])
    chances = fitting.topic_chances(head, embed([r["text"] for r in rows]))
    labels = np.array(head["labels"])
    none = head["labels"].index(topics.NONE)
    wanted = np.array([head["labels"].index(r["topic"]) for r in rows])
    best = chances.argmax(1)
    decided = np.where(chances.max(1) >= head["none_threshold"], best, none)
    named = wanted != none
    strongest = np.delete(chances, none, axis=1).max(1)
    oos = np.array([r["source"] == "clinc150" and r["topic"] == topics.NONE for r in rows])
    common = head["labels"].index(train.most_common(1)[0][0])

    def macro(y, p):
        return f1_score(y, p, average="macro", zero_division=0)

    def right(y, p):
        return float((y == p).mean())

    each = f1_score(wanted, best, labels=range(len(labels)), average=None, zero_division=0)
    kept = named & (decided != none)
    return {
        "rows": len(rows),
        "labels": len(labels),
        "accuracy_without_threshold": interval(right, wanted, best),
        "macro_f1_without_threshold": interval(macro, wanted, best),
        "accuracy_with_threshold": interval(right, wanted, decided),
        "majority_accuracy": round(float((wanted == common).mean()), 4),
        "majority_macro_f1": round(float(macro(wanted, np.full(len(wanted), common))), 4),
        "precision_when_named": round(float((decided == wanted)[decided != none].mean()), 4),
        "named_share_of_topic_rows": round(float(kept.sum() / named.sum()), 4),
        "oos_rows": int(oos.sum()),
        "oos_auroc": interval(roc_auc_score, named[named | oos].astype(int), strongest[named | oos]),
        "none_auroc": interval(roc_auc_score, named.astype(int), strongest),
        "oos_refused": round(float((decided[oos] == none).mean()), 4),
        "ece": interval(
            calibration_error, (best == wanted)[named].astype(float), chances[named].max(1)
        ),
        "f1_each": {str(n): round(float(f), 3) for n, f in zip(labels, each)},
    }


def bm25(cases, k1=1.2, b=0.75):
    """Word-matching baseline in the shape of fitting.nearest."""
    out = []
    for kind, query, base, owner, right in cases:
        bags = [Counter(data.normal_form(t).split()) for t in base]
        average = sum(sum(x.values()) for x in bags) / len(bags)
        spread = Counter(w for bag in bags for w in bag)
        scores = []
        for bag in bags:
            size, score = sum(bag.values()), 0.0
            for word in data.normal_form(query).split():
                if bag[word]:
                    rare = math.log(1 + (len(bags) - spread[word] + 0.5) / (spread[word] + 0.5))
                    score += rare * bag[word] * (k1 + 1) / (bag[word] + k1 * (1 - b + b * size / average))
            scores.append(score)
        order = np.argsort(-np.array(scores), kind="stable")
        best = owner[order[0]]
        others = [scores[i] for i in order if owner[i] != best]
        lead = scores[order[0]] - (others[0] if others else 0)
        out.append((kind, scores[order[0]], lead, best == right, right is not None))
    return out


def knowledge_summary(found, head=None):
    """Recall@1 over answerable questions, and what the shipped thresholds do."""
    out = {}
    for kind in ("bitext", "dstc9", "all"):
        part = [f for f in found if kind in (f[0], "all")]
        right, answerable = np.array([f[3] for f in part]), np.array([f[4] for f in part])
        entry = {"questions": len(part), "answerable": int(answerable.sum())}
        entry["recall_at_1"] = interval(lambda r: float(r.mean()), right[answerable].astype(float))
        if head:
            score, margin = np.array([f[1] for f in part]), np.array([f[2] for f in part])
            answered = (score >= head["min_score"]) & (margin >= head["min_margin"])
            entry["answered_of_answerable"] = round(float((answered & answerable).sum() / answerable.sum()), 4)
            if answered.any():
                entry["precision_when_answered"] = interval(lambda r: float(r.mean()), right[answered].astype(float))
        out[kind] = entry
    return out


def score_knowledge(folder, head, embed, teacher):
    """Shipped encoder, teacher and BM25; the two others with thresholds found the same way."""
    tune, test = fitting.knowledge_cases(folder, 0), fitting.knowledge_cases(folder, 1)
    out = {"model": knowledge_summary(fitting.nearest(test, embed), head)}
    fitted = fitting.fit_knowledge(fitting.nearest(tune, teacher))
    out["teacher"] = {"thresholds": fitted, **knowledge_summary(fitting.nearest(test, teacher), fitted)}
    out["bm25"] = knowledge_summary(bm25(test))
    return out


def score_likeness(folder, embed, teacher):
    """How close the student is to its teacher, and how both rank paraphrase pairs."""
    out = {}
    kept = [r for r in data.pair_rows(folder) if r["both_held_out"]]
    for name, source in (("bitext", "bitext"), ("clinc", "clinc")):
        rows = [r for r in kept if source in r["source"]][:3000]
        labels = np.array([r["label"] for r in rows])
        entry = {"pairs": len(rows)}
        for who, of in (("model", embed), ("teacher", teacher)):
            a, b = of([r["text_a"] for r in rows]), of([r["text_b"] for r in rows])
            entry[who + "_auc"] = interval(roc_auc_score, labels, (a * b).sum(1))
        out[name + "_pairs"] = entry
    paws = [r for r in data.read(folder, data.PAWS_FILE) if data.held_out(r["id"])]
    labels, entry = np.array([r["label"] for r in paws]), {"pairs": len(paws)}
    for who, of in (("model", embed), ("teacher", teacher)):
        a, b = of([r["text_a"] for r in paws]), of([r["text_b"] for r in paws])
        entry[who + "_auc"] = interval(roc_auc_score, labels, (a * b).sum(1))
    out["paws_pairs"] = entry
    texts = [r["text"] for r in data.support_rows(folder) if r["held_out"]][:2000]
    texts += [r["text"] for r in data.routing_rows(folder) if r["held_out"]][:500]
    out["cosine_to_teacher"] = interval(lambda c: float(c.mean()), (embed(texts) * teacher(texts)).sum(1))
    return out


def latency(model):
    """Median and 95th percentile of one call, in ms, on one thread."""
    session, out = export.Session(Path(model) / "encoder.onnx", 1), {}
    for length in (8, 32, 128, 256):
        row, times = [101] + [2000 + i for i in range(length - 2)] + [102], []
        for _ in range(300):
            started = time.perf_counter()
            session.run([row])
            times.append(1000 * (time.perf_counter() - started))
        out[str(length)] = {"p50": round(float(np.median(times)), 3), "p95": round(float(np.quantile(times, 0.95)), 3)}
    return out


def teacher_embedder(work):
    """The float teacher behind the same call as fitting.Embedder."""
    tokenizer, graph = encoder.make_tokenizer(), Path(work) / "teacher.onnx"
    if not graph.exists():
        export.to_onnx(encoder.from_base(), graph)
    session = export.Session(graph)
    return lambda texts: session.embed([encoder.token_ids(tokenizer, t) for t in texts])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    given = parser.parse_args()
    shipped = json.loads((Path(given.model) / "heads.json").read_text(encoding="utf-8"))
    embedder, teacher_of = fitting.Embedder(given.model, given.work), teacher_embedder(given.work)
    result = {"encoder_sha256": embedder.sha256}
    result["latency_ms"] = latency(given.model)
    result["complexity"] = score_complexity(given.data, shipped["complexity"], embedder)
    result["attack"] = score_attack(given.data, shipped["attack"], embedder)
    result["topic"] = score_topic(given.data, shipped["topic"], embedder)
    result["knowledge"] = score_knowledge(given.data, shipped["knowledge"], embedder, teacher_of)
    result["likeness"] = score_likeness(given.data, embedder, teacher_of)
    (Path(given.work) / "scores.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
