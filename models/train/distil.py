"""Distils MiniLM-L6-v2 (6 layers) into a 3-layer encoder with the same output space.

    python distil.py --data FOLDER --work FOLDER [--layers 0,4,5] [--epochs 1] [--stop-at STEP]

The student starts as a copy of three teacher layers and learns to give the
teacher's own vectors, so its embeddings stay general: nothing but the texts is
used here, except for a light contrastive term over paraphrase pairs, question
and answer pairs. Word embeddings are frozen, which keeps rare words, seen by the
teacher but absent from this corpus, where they were.
"""

import argparse
import hashlib
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import encoder
import export

SEED = 20
CORPUS_TOKENS = 96  # texts are cut here for distillation; almost all are far shorter
BATCH_TOKENS = 1536
PEAK_RATE, WARM_UP = 4e-4, 0.05
RELATION_WEIGHT = 10.0
PAIRS_EVERY, PAIRS, PAIR_WEIGHT, TEMPERATURE = 5, 64, 0.1, 0.05


def teacher_vectors(work, rows):
    """Teacher embeddings of the corpus, kept in the work folder between runs."""
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
    cached = work / f"teacher-{digest}.npy"
    if not cached.exists():
        graph = work / "teacher.onnx"
        export.to_onnx(encoder.from_base(), graph)
        np.save(cached, export.Session(graph).embed(rows, 4096))
    return torch.from_numpy(np.load(cached))


def batches(rows, generator):
    """Index batches of similar length and a near-constant number of tokens."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), generator.random()))
    out, start = [], 0
    while start < len(order):
        size = 1
        while start + size < len(order) and (size + 1) * len(rows[order[start + size]]) <= BATCH_TOKENS:
            size += 1
        out.append(order[start : start + size])
        start += size
    generator.shuffle(out)
    return out


def positive_pairs(folder):
    """(text, text, group) that should lie close; one group never opposes itself."""
    pairs = []
    for row in data.pair_rows(folder):
        if row["label"] == 1 and not row["held_out"]:
            pairs.append((row["text_a"], row["text_b"], row["intent_a"]))
    for row in data.faq_rows(folder):
        if not row["held_out"]:
            pairs.append((row["text"], row["answer"], data.normal_form(row["text"])))
    for row in data.grounded_rows(folder):
        if not row["held_out"]:
            pairs.append((row["faq_question"], row["response"], data.normal_form(row["faq_question"])))
    return pairs


def contrast(left, right, groups):
    """Symmetric in-batch InfoNCE; other members of one's own group are no negatives."""
    scores = left @ right.T / TEMPERATURE
    same = torch.tensor([[a == b for b in groups] for a in groups])
    scores = scores.masked_fill(same & ~torch.eye(len(groups), dtype=torch.bool), -1e4)
    target = torch.arange(len(groups))
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def train(folder, work, layers, epochs, stop_at):
    """Runs the distillation and leaves `student.pt` in the work folder.

    `stop_at` ends the run early without changing the schedule up to that step."""
    torch.manual_seed(SEED)
    generator = random.Random(SEED)
    tokenizer = encoder.make_tokenizer()
    rows = [encoder.token_ids(tokenizer, t, CORPUS_TOKENS) for t in data.unlabelled_corpus(folder)]
    started = time.time()
    target = teacher_vectors(work, rows)
    print(f"corpus {len(rows)} texts, {sum(map(len, rows))} tokens; teacher {time.time() - started:.0f} s", flush=True)
    ids = {}
    pairs = positive_pairs(folder)
    for left, right, _ in pairs:
        for text in (left, right):
            ids.setdefault(text, encoder.token_ids(tokenizer, text, CORPUS_TOKENS))

    student = encoder.from_base(layers)
    student.words.weight.requires_grad_(False)
    student.train()
    weights = [p for p in student.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    plan = [batch for _ in range(epochs) for batch in batches(rows, generator)]
    warm = max(1, int(WARM_UP * len(plan)))
    started, running = time.time(), None
    for step, batch in enumerate(plan[:stop_at]):
        rate = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / (len(plan) - warm))))
        for group in optimiser.param_groups:
            group["lr"] = PEAK_RATE * max(rate, 0.01)
        wanted = target[batch]
        got = student(*encoder.pad([rows[i] for i in batch]))
        distance = (1 - (got * wanted).sum(1)).mean()
        relation = ((got @ got.T - wanted @ wanted.T) ** 2).mean()
        loss = distance + RELATION_WEIGHT * relation
        if step % PAIRS_EVERY == 0:
            chosen = generator.sample(pairs, PAIRS)
            both = student(*encoder.pad([ids[a] for a, _, _ in chosen] + [ids[b] for _, b, _ in chosen]))
            loss = loss + PAIR_WEIGHT * contrast(both[:PAIRS], both[PAIRS:], [g for _, _, g in chosen])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        running = distance.item() if running is None else 0.98 * running + 0.02 * distance.item()
        if step % 50 == 0:
            print(f"step {step}/{len(plan)} 1-cos {running:.4f} {time.time() - started:.0f} s", flush=True)
    torch.save(student.state_dict(), work / "student.pt")
    print(f"done in {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--layers", default="0,4,5")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--stop-at", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    Path(given.work).mkdir(parents=True, exist_ok=True)
    train(given.data, Path(given.work), [int(x) for x in given.layers.split(",")], given.epochs, given.stop_at)
