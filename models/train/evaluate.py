"""Scores the shipped files on held-out rows, beside trivial baselines.

    python evaluate.py --data FOLDER --work FOLDER --model FOLDER

Writes `scores.json` into the work folder and prints it. Intervals are 95 %
percentile bootstraps over rows. Every model score comes from `encoder.onnx` and
`heads.json` as shipped. What `judge_complexity.py` found, run before, is taken over.
"""

import argparse
import json
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

import data
import encoder
import export
import heads as fitting
import topics
from measures import calibration_error, interval


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
    result["complexity"] = json.loads((Path(given.work) / "complexity.json").read_text(encoding="utf-8"))
    result["topic"] = score_topic(given.data, shipped["topic"], embedder)
    result["knowledge"] = score_knowledge(given.data, shipped["knowledge"], embedder, teacher_of)
    result["likeness"] = score_likeness(given.data, embedder, teacher_of)
    (Path(given.work) / "scores.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
