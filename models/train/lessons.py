"""The tasks that the encoder is taught beside its teacher's vectors. Only training-side rows; held-out ones stay unseen.

Each task gives a loss for one small batch. What it learns of its own (a classifier, a scale) is thrown away after the
training: the shipped heads are fitted afterwards, on the quantised encoder.
"""

import torch
import torch.nn.functional as F
from torch import nn

import attacks
import data
import encoder
import spans

TOKENS = 96  # of a text that are read in a lesson
ATTACK_TOKENS = 128
WINDOW = 24  # tokens over which attack logits are averaged; the worst window speaks for the text


def batch_of(rows, generator, tokens):
    """Some rows, by their field `ids`, that together stay near a number of tokens once padded."""
    chosen, longest = [], 0
    while True:
        row = generator.choice(rows)
        longest = max(longest, len(row["ids"]))
        if chosen and longest * (len(chosen) + 1) > tokens:
            return chosen
        chosen.append(row)


class Personal:
    """Labels of personal data for each word's first token: cross-entropy."""

    name, weight, turns, head = "personal", 1.0, 4, None

    def __init__(self, folder, tokenizer):
        self.rows = []
        for text, marked in spans.token_rows(folder):
            ids, labels = spans.labelled(tokenizer, text, marked, TOKENS)
            self.rows.append({"ids": ids, "labels": labels})

    def loss(self, student, generator):
        rows = batch_of(self.rows, generator, 1536)
        _, scores = student(*encoder.pad([r["ids"] for r in rows]))
        wanted = torch.full(scores.shape[:2], -100)
        for i, row in enumerate(rows):
            wanted[i, : len(row["labels"])] = torch.tensor(row["labels"])
        return F.cross_entropy(scores[..., : len(encoder.LABELS)].flatten(0, 1), wanted.flatten(), ignore_index=-100)


class Attack:
    """An attack logit for each token: cross-entropy of the worst window's mean (multiple-instance learning)."""

    name, weight, turns, head = "attack", 0.15, 2, None

    def __init__(self, folder, tokenizer):
        kept = [r for r in attacks.attack_rows(folder) if not r["held_out"]]
        rows = [dict(r, ids=encoder.token_ids(tokenizer, r["text"], ATTACK_TOKENS)) for r in kept]
        self.sides = [[r for r in rows if r["label"] == label] for label in (0, 1)]

    def loss(self, student, generator):
        rows = [r for side in self.sides for r in batch_of(side, generator, 768)]
        ids, mask = encoder.pad([r["ids"] for r in rows])
        worst = worst_window(student(ids, mask)[1][..., -1], mask)
        label = torch.tensor([float(r["label"]) for r in rows])
        count = torch.stack([(label == 0).sum(), (label == 1).sum()]).float()
        share = torch.where(label == 1, 0.5 / count[1], 0.5 / count[0])
        return (F.binary_cross_entropy_with_logits(worst, label, reduction="none") * share).sum()


def worst_window(logits, mask, window=WINDOW):
    """The greatest mean over `window` neighbouring tokens of each row; of all tokens where there are fewer."""
    kept = mask.to(logits.dtype)
    sums = F.pad((logits * kept).cumsum(1), (1, 0))
    length = mask.sum(1)
    width = min(window, logits.shape[1])
    means = (sums[:, width:] - sums[:, :-width]) / width
    starts = torch.arange(means.shape[1])[None]
    means = means.masked_fill(starts + width > length[:, None], -1e4)
    short = (logits * kept).sum(1) / length
    return torch.where(length < width, short, means.max(1).values)


class Pairs:
    """Close what one answer serves, apart what it does not: cross-entropy of a scaled cosine, and in-batch contrast."""

    name, weight, turns = "pairs", 0.2, 2
    COUNT, TEMPERATURE = 24, 0.05

    def __init__(self, folder, tokenizer):
        self.head = nn.Linear(1, 1)
        nn.init.constant_(self.head.weight, 12.0)
        nn.init.constant_(self.head.bias, -8.0)
        kept = [r for r in data.pair_rows(folder) + data.paws_rows(folder) if not r["held_out"]]
        rows = [(r["text_a"], r["text_b"], r["label"], r["intent_a"], r["intent_b"]) for r in kept]
        for row in data.faq_rows(folder) + data.grounded_rows(folder):
            if not row["held_out"]:
                left, right = row.get("faq_question") or row["text"], row.get("response") or row["answer"]
                rows.append((left, right, 2, data.normal_form(left), data.normal_form(left)))
        ids = {}
        for left, right, *_ in rows:
            for text in (left, right):
                ids.setdefault(text, encoder.token_ids(tokenizer, text, TOKENS))
        self.rows = [(ids[left], ids[right], *rest) for left, right, *rest in rows]

    def loss(self, student, generator):
        rows = generator.sample(self.rows, self.COUNT)
        both, _ = student(*encoder.pad([r[0] for r in rows] + [r[1] for r in rows]))
        left, right = both[: len(rows)], both[len(rows) :]
        label = torch.tensor([r[2] for r in rows])
        logit = self.head((left * right).sum(1, keepdim=True))[:, 0]
        judged = label < 2  # a question and its answer belong together, but are no paraphrases
        loss = F.binary_cross_entropy_with_logits(logit[judged], label[judged].float())
        return loss + 0.5 * self.contrast(left, right, label, [r[3] for r in rows])

    def contrast(self, left, right, label, groups):
        """Symmetric InfoNCE over the positive pairs; other members of one's own group are no negatives."""
        kept = label > 0
        scores = left[kept] @ right[kept].T / self.TEMPERATURE
        groups = [group for group, keep in zip(groups, kept.tolist()) if keep]
        same = torch.tensor([[a == b for b in groups] for a in groups])
        scores = scores.masked_fill(same & ~torch.eye(len(groups), dtype=torch.bool), -1e4)
        target = torch.arange(len(groups))
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


class Intents:
    """Intents of support and assistant texts: cross-entropy of a cosine classifier."""

    name, weight, turns = "intents", 0.1, 1
    SCALE = 20.0

    def __init__(self, folder, tokenizer):
        support = [r for r in data.support_rows(folder) if not r["held_out"] and r.get("intent")]
        support = [r for r in support if r["file"] != "multidogo_customer_turns" and r["intent"] != "oos"]
        names = sorted({(r["file"], r["intent"]) for r in support})
        place = {name: i for i, name in enumerate(names)}
        self.rows = [
            {"ids": encoder.token_ids(tokenizer, r["text"], TOKENS), "intent": place[r["file"], r["intent"]]} for r in support
        ]
        self.head = nn.Linear(encoder.HIDDEN, len(names), bias=False)

    def loss(self, student, generator):
        rows = batch_of(self.rows, generator, 768)
        vectors, _ = student(*encoder.pad([r["ids"] for r in rows]))
        scores = self.SCALE * vectors @ F.normalize(self.head.weight, dim=1).T
        return F.cross_entropy(scores, torch.tensor([r["intent"] for r in rows]))


def all_of(folder, tokenizer):
    """Every task, in the order in which they take turns."""
    return [task(folder, tokenizer) for task in (Personal, Attack, Pairs, Intents)]
