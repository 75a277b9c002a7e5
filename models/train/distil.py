"""Trains the encoder: MiniLM-L6-v2 cut down to two narrow layers, taught by its old self, and by the tasks it will do.

    python distil.py --data FOLDER --work FOLDER [--epochs 3] [--stop-at STEP] [--no-tasks]

Every step gives the teacher's own vectors for some texts, so that embeddings stay general, and one lesson of one task:
labels of personal data for each token, attack logits for each token (judged by their worst window), pairs that one
answer does or does not serve, and topics. Word embeddings are frozen, which keeps rare words, seen by the teacher but
absent from this corpus, where they were. `--no-tasks` leaves the lessons out, to see what they change.
"""

import argparse
import hashlib
import itertools
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import data
import encoder
import export
import lessons

SEED = 20
CORPUS_TOKENS = 96  # texts are cut here for distillation; almost all are far shorter
BATCH_TOKENS = 1536
PEAK_RATE, WARM_UP = 8e-4, 0.04
RELATION_WEIGHT = 10.0
PRUNING_TEXTS = 400


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


def imitation(got, wanted):
    """Distance to the teacher's vectors, and of the likeness of the batch's texts to one another."""
    distance = (1 - (got * wanted).sum(1)).mean()
    return distance, distance + RELATION_WEIGHT * ((got @ got.T - wanted @ wanted.T) ** 2).mean()


def rate_at(step, steps):
    """Share of the peak rate: a short rise, then half a cosine."""
    warm = max(1, int(WARM_UP * steps))
    return max(0.01, min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / (steps - warm)))))


def train(given, work):
    """Runs the training and leaves `student.pt` in the work folder."""
    torch.manual_seed(SEED)
    generator = random.Random(SEED)
    tokenizer = encoder.make_tokenizer()
    rows = [encoder.token_ids(tokenizer, t, CORPUS_TOKENS) for t in data.unlabelled_corpus(given.data)]
    started = time.time()
    target = teacher_vectors(work, rows)
    print(f"corpus {len(rows)} texts, {sum(map(len, rows))} tokens; teacher {time.time() - started:.0f} s", flush=True)
    layers = [int(x) for x in given.layers.split(",")]
    student = encoder.pruned(layers, given.heads, given.inner, generator.sample(rows, PRUNING_TEXTS))
    if given.resume:
        known = torch.load(work / given.resume, weights_only=True)
        student.load_state_dict({k: v for k, v in known.items() if not k.startswith("tokens")}, strict=False)
    student.words.weight.requires_grad_(False)
    student.train()
    tasks = [] if given.no_tasks else lessons.all_of(given.data, tokenizer)
    parts = nn.ModuleList([student, *(task.head for task in tasks if task.head is not None)])
    weights = [p for p in parts.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=given.rate, betas=(0.9, 0.98), weight_decay=0.01)
    plan = [batch for _ in range(given.epochs) for batch in batches(rows, generator)]
    turns = itertools.cycle([task for task in tasks for _ in range(task.turns)])
    started, running = time.time(), {}
    for step, batch in enumerate(plan[: given.stop_at]):
        for group in optimiser.param_groups:
            group["lr"] = given.rate * rate_at(step, len(plan))
        distance, loss = imitation(student(*encoder.pad([rows[i] for i in batch]))[0], target[batch])
        seen = {"1-cos": distance.item()}
        if tasks:
            task = next(turns)
            lesson = task.loss(student, generator)
            seen[task.name] = lesson.item()
            loss = loss + task.weight * lesson
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        for name, value in seen.items():
            running[name] = 0.97 * running.get(name, value) + 0.03 * value
        if step % 50 == 0:
            told = " ".join(f"{name} {value:.4f}" for name, value in running.items())
            print(f"step {step}/{len(plan)} {told} {time.time() - started:.0f} s", flush=True)
        if step % 500 == 499:
            torch.save(student.state_dict(), work / "student-so-far.pt")
    torch.save(student.state_dict(), work / given.output)
    print(f"done in {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--layers", default=",".join(map(str, encoder.LAYERS)))
    parser.add_argument("--heads", type=int, default=encoder.HEADS)
    parser.add_argument("--inner", type=int, default=encoder.INNER)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--stop-at", type=int, default=None)
    parser.add_argument("--no-tasks", action="store_true")
    parser.add_argument("--rate", type=float, default=PEAK_RATE)
    parser.add_argument("--resume", help="weights in the work folder to go on from; the token head starts anew")
    parser.add_argument("--output", default="student.pt")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    Path(given.work).mkdir(parents=True, exist_ok=True)
    train(given, Path(given.work))
