"""Fits the attack head on the encoder's token scores: the window, the calibration, and the 1 % threshold.

    python heads.py --only attack --data FOLDER --work FOLDER --model FOLDER

Only rows of the part `calibrate` are used: templates that the encoder
was not trained on, of families that it was; the held-out families stay for `judge_attack.py`.
"""

import random
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.linear_model import LogisticRegression

import attacks
import disguise
import encoder

SEED = 43
WINDOWS = (6, 8, 12, 16, 24, 32)  # tokens; more than the 32 that two pieces of a long text share could be cut apart
OVERLAP = 32
FALSE_ALARMS = 0.01
PADDED_COPIES = 4


class Scorer:
    """Attack logits of each token of a text, special tokens left out, piece by piece as the gateway reads it."""

    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        path = str(Path(model) / "encoder.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.tokenizer = encoder.make_tokenizer()

    def __call__(self, text):
        ids = self.tokenizer.encode(text).ids
        first, inner, last = ids[:1], ids[1:-1], ids[-1:]
        room = encoder.MAX_TOKENS - 2
        starts = range(0, max(1, len(inner) - OVERLAP), room - OVERLAP)
        return [self.run(first + inner[at : at + room] + last)[1:-1] for at in starts]

    def run(self, ids):
        given = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
        return self.session.run(["token_logits"], given)[0][0, :, -1]


def worst_window(pieces, window):
    """The greatest mean over so many neighbouring tokens of any piece; of all where there are fewer."""
    best = -np.inf
    for logits in pieces:
        width = min(window, len(logits))
        if width:
            sums = np.concatenate([[0.0], np.cumsum(logits, dtype=float)])
            best = max(best, ((sums[width:] - sums[:-width]) / width).max())
    return best


def calibration_rows(folder):
    """The rows of the part, and the attacks among them again within harmless words of the same part."""
    rows = [r for r in attacks.attack_rows(folder) if r["part"] == "calibrate" and r["text"].strip()]
    pick = random.Random(SEED)
    pool = [r["text"] for r in rows if r["family"] in ("support", "math")]
    short = [r for r in rows if r["label"] and len(r["text"].split()) <= 120]
    for r in short * PADDED_COPIES:
        before, after = (attacks.padding(pool, pick, 50) for _ in range(2))
        rows.append(dict(r, text=disguise.padded(r["text"], before, after, pick)))
    return rows


def fitted(scores, labels, everyday):
    """Platt's scale and shift with both classes of equal weight, the threshold, and what it catches. The threshold lets
    through all but one in a hundred of everyday texts: look-alikes written for this are rarer than their share here."""
    model = LogisticRegression(C=1e3, class_weight="balanced").fit(scores[:, None], labels)
    a, b = float(model.coef_[0, 0]), float(model.intercept_[0])
    limit = np.quantile(scores[everyday], 1 - FALSE_ALARMS)
    return a, b, 1 / (1 + np.exp(-(a * limit + b))), float((scores[labels == 1] > limit).mean())


def fit(folder, model):
    """The `attack` of heads.json."""
    score = Scorer(model)
    rows = calibration_rows(folder)
    labels = np.array([r["label"] for r in rows])
    everyday = np.array([r["label"] == 0 and not r["family"].startswith("like:") for r in rows])
    pieces = [score(r["text"]) for r in rows]
    best = None
    for window in WINDOWS:
        scores = np.array([worst_window(p, window) for p in pieces])
        kept = np.isfinite(scores)
        a, b, threshold, caught = fitted(scores[kept], labels[kept], everyday[kept])
        print(f"window {window}: {caught:.4f} of {labels.sum()} caught at {FALSE_ALARMS:.0%} of {everyday.sum()}")
        if best is None or caught > best[0]:
            best = (caught, window, a, b, threshold)
    _, window, a, b, threshold = best
    return {
        "window": window,
        "calibration": {"kind": "platt", "a": float(f"{a:.6g}"), "b": float(f"{b:.6g}")},
        "threshold_at_1_percent": float(f"{threshold:.6g}"),
    }


def chance(head, pieces):
    """The probability of the head that `fit` made."""
    z = head["calibration"]["a"] * worst_window(pieces, head["window"]) + head["calibration"]["b"]
    return 1 / (1 + np.exp(-z))
