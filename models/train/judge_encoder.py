"""Judges the encoder itself: against its teacher, against its own float form, and on intents that nobody trained on.

    python judge_encoder.py --data FOLDER --work FOLDER --model FOLDER

`--work` is where the training left `student.pt`: the float form comes from it. Held-out rows only; brackets are 95 %
bootstrap intervals over rows.
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import data
import encoder
import export

SEED, ROUNDS = 20, 1000
STRENGTH = 30.0
ROWS_AN_INTENT = 60
FALSE_ALARMS = 0.05
PAIRS = 1200


def interval(value, rows):
    """Value over all rows and over bootstrap samples of them."""
    pick = np.random.default_rng(SEED)
    drawn = [value(pick.integers(0, rows, rows)) for _ in range(ROUNDS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{value(np.arange(rows)):.3f} [{low:.3f}, {high:.3f}]"


class Forms:
    """The three encoders side by side; vectors are computed once for each text."""

    def __init__(self, work, model):
        student = encoder.Encoder()
        student.load_state_dict(torch.load(Path(work) / "student.pt", map_location="cpu", weights_only=True))
        folder = Path(tempfile.mkdtemp())
        export.to_onnx(student, folder / "float.onnx")
        export.to_onnx(encoder.from_base(), folder / "teacher.onnx")
        self.tokenizer = encoder.make_tokenizer()
        paths = {"shipped int8": Path(model) / "encoder.onnx", "its float form": folder / "float.onnx"}
        paths["MiniLM-L6-v2 (float)"] = folder / "teacher.onnx"
        self.sessions = {name: export.Session(path, 1) for name, path in paths.items()}

    def __call__(self, texts):
        rows = [encoder.token_ids(self.tokenizer, text) for text in texts]
        return {name: session.embed(rows) for name, session in self.sessions.items()}


def clinc(folder):
    """Training rows of known intents, held-out rows of the same, rows of the intents set aside, out-of-scope rows."""
    rows = [r for r in data.support_rows(folder) if r["file"] == "clinc150"]
    random.Random(SEED).shuffle(rows)
    seen = {}
    parts = {"train": [], "known": [], "aside": [], "oos": []}
    for row in rows:
        if row["intent"] == "oos":
            parts["oos"] += [row] if row["held_out"] else []
            continue
        part = "aside" if data.held_intent(row["intent"]) else "known" if row["held_out"] else "train"
        slot = part, row["intent"]
        seen[slot] = seen.get(slot, 0) + 1
        if seen[slot] <= ROWS_AN_INTENT:
            parts[part].append(row)
    return parts


def distance(vectors, centres):
    """Cosine to the nearest centre."""
    return (vectors @ centres.T).max(1)


def strangers_caught(known, strange):
    """Share of strangers below the score under which 5 % of the known ones lie."""
    return (strange < np.quantile(known, FALSE_ALARMS)).mean()


def judge_intents(forms, folder):
    """A linear head on each encoder: accuracy on known intents, and how well intents never seen are told as none."""
    parts = clinc(folder)
    vectors = {part: forms([r["text"] for r in rows]) for part, rows in parts.items()}
    wanted = {part: np.array([r["intent"] for r in rows]) for part, rows in parts.items()}
    print(f"\n| CLINC150, {len(set(wanted['train']))} intents known | accuracy, {len(wanted['known'])} held-out rows | "
          f"none: {len(wanted['aside'])} rows of {len(set(wanted['aside']))} intents never seen | "
          f"none: {len(wanted['oos'])} out-of-scope rows |")  # fmt: skip
    print("|---|---|---|---|")
    for name in forms.sessions:
        head = LogisticRegression(C=STRENGTH, max_iter=300).fit(vectors["train"][name], wanted["train"])
        right = head.predict(vectors["known"][name]) == wanted["known"]
        labels = sorted(set(wanted["train"]))
        middles = np.stack([vectors["train"][name][wanted["train"] == label].mean(0) for label in labels])
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)

        def sure(part):
            chance = head.predict_proba(vectors[part][name]).max(1)
            return np.log(chance + 1e-9) + 6 * distance(vectors[part][name], middles)

        known = sure("known")
        cells = [interval(lambda i: right[i].mean(), len(right))]
        for part in ("aside", "oos"):
            strange = sure(part)
            cells.append(interval(lambda i: strangers_caught(known, strange[i]), len(strange)))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def judge_pairs(forms, folder):
    """How well the cosine alone tells pairs that one answer serves."""
    print("\n| AUC of the cosine, held-out pairs | " + " | ".join(forms.sessions) + " |")
    print("|---|" + "---|" * len(forms.sessions))
    rows = [r for r in data.pair_rows(folder) + data.paws_rows(folder) if r["both_held_out"]]
    for source in ("bitext", "clinc", "paws"):
        chosen = [r for r in rows if source in r["id"]]
        chosen = random.Random(SEED).sample(chosen, min(PAIRS, len(chosen)))
        label = np.array([r["label"] for r in chosen])
        left, right = forms([r["text_a"] for r in chosen]), forms([r["text_b"] for r in chosen])
        cells = []
        for name in forms.sessions:
            score = (left[name] * right[name]).sum(1)
            cells.append(interval(lambda i: roc_auc_score(label[i], score[i]), len(label)))
        print(f"| {source} ({len(chosen)}) | " + " | ".join(cells) + " |", flush=True)


def judge_likeness(forms, folder):
    """How close the vectors are."""
    rows = [r["text"] for r in data.support_rows(folder) + data.routing_rows(folder) if r["held_out"]]
    vectors = forms(random.Random(SEED).sample(rows, 1000))
    shipped, plain, teacher = (vectors[name] for name in forms.sessions)
    print(f"\nmean cosine on 1,000 held-out texts: int8 to float {(shipped * plain).sum(1).mean():.4f} "
          f"(least {(shipped * plain).sum(1).min():.4f}), to the teacher {(shipped * teacher).sum(1).mean():.4f}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--data", "--work", "--model"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    every = Forms(given.work, given.model)
    judge_likeness(every, given.data)
    judge_intents(every, given.data)
    judge_pairs(every, given.data)
