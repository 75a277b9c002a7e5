"""Trains the desk model: which approved answer covers what a customer asks, if any does?

    python desk.py train  --output FILE.pt --minutes 72
    python desk.py export --weights FILE.pt --model ../firstline-desk
    python desk.py fit    --model ../firstline-desk
    python desk.py public --model ../firstline-desk --data FOLDER

Starts from MiniLM-L6-v2. A text becomes one vector, as in MiniLM itself, and a short vector and a weight for each of its tokens. An entry's
score for a question adds three numbers: the cosine with its closest question, the cosine with its answer, and for each token of the
question, by its weight, the best cosine with a token of the entry (late interaction: Khattab and Zaharia 2020, arXiv 2004.12832). A softmax
over the scores of all entries and a constant for "none of them" is trained on `bases/`: questions go to their entry, near misses and
questions whose entry was taken out go to none.

`bases/` holds invented businesses; which train, which fit the last five constants and which judge follows from a hash of the file's name
(`side`). Nothing of CLINC150, of NLU++ or of the demo shop is read but by `public`, which judges.
"""

import argparse
import hashlib
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import encoder
import fit_search

TOKENS = 64  # of a text in training: the first 3/4 and the last 1/4 of them
DIMENSIONS = 96  # of a token's vector
FROZEN_LAYERS = 2
DROPPED = 0.2  # of the entries in each step, so that their questions are covered by none
ASKED = {"covered": 60, "uncovered": 18, "dropped": 10}  # at most, in each step
SEED = 20261121
BASES = Path(__file__).parent / "bases"
PARTS = ("question", "answer", "words")


# ------------------------------------------------------------------------------------------------------------------------ bases


class Base:
    """One business: entries of questions and an answer, and what is asked of them: (text, its entry, or None for none)."""

    def __init__(self, name, entries, asks):
        self.name, self.entries, self.asks = name, entries, asks


def read_base(path):
    raw = json.loads(path.read_text(encoding="utf-8"))
    entries = [(entry["questions"], entry["answer"]) for entry in raw["entries"]]
    asks = [(text, n) for n, entry in enumerate(raw["entries"]) for text in entry["asked"]]
    return Base(path.stem, entries, asks + [(miss["text"], None) for miss in raw["uncovered"]])


def side(name):
    """`train` for three bases in four; the rest is parted into what fits the last constants and what judges."""
    byte = hashlib.sha256(("firstline-desk:" + name).encode()).digest()[0]
    return "train" if byte >= 64 else "fit" if byte % 2 else "judge"


def bases_of(folder, which):
    return [read_base(path) for path in sorted(Path(folder).glob("*.json")) if side(path.stem) == which]


# ------------------------------------------------------------------------------------------------------------------------ model


class Desk(nn.Module):
    """Token ids and mask in; out come the text's unit vector and a row for each token: a unit vector, then its weight's logarithm."""

    def __init__(self):
        super().__init__()
        self.base = encoder.from_base()
        self.project = nn.Linear(encoder.HIDDEN, DIMENSIONS, bias=False)
        self.weigh = nn.Linear(encoder.HIDDEN, 1)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)
        # Where the constants stand before training: fitted once with MiniLM's own vectors.
        self.shares = nn.Parameter(torch.tensor([0.4, 1.0, 0.8]))
        self.none = nn.Parameter(torch.tensor(0.95))
        self.scale = nn.Parameter(torch.tensor(2.3))  # its logarithm

    def states(self, input_ids, attention_mask):
        mask = attention_mask.to(self.base.norm.weight.dtype)
        x = self.base.embedded(input_ids)
        bias = (1.0 - mask)[:, None, None, :] * -1e4
        for layer in self.base.layers:
            x = layer(x, bias)
        return x, mask.unsqueeze(-1)

    def forward(self, input_ids, attention_mask):
        x, weight = self.states(input_ids, attention_mask)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        vector = pooled / pooled.norm(dim=1, keepdim=True).clamp(min=1e-12)
        tokens = self.project(x)
        tokens = tokens / tokens.norm(dim=2, keepdim=True).clamp(min=1e-12)
        return vector, torch.cat([tokens, self.weigh(x)], 2)

    def freeze(self):
        for part in [self.base.words, self.base.positions, self.base.norm, *self.base.layers[:FROZEN_LAYERS]]:
            part.requires_grad_(False)


class Reader:
    """Texts to ids, with [CLS] and [SEP]."""

    def __init__(self, limit=TOKENS):
        self.tokenizer, self.limit, self.known = encoder.make_tokenizer(), limit, {}

    def ids(self, text):
        if text not in self.known:
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            if len(ids) > self.limit:
                head = self.limit * 3 // 4
                ids = ids[:head] + ids[head - self.limit :]
            self.known[text] = [101, *ids, 102]
        return self.known[text]


def read(model, rows, tokens_per_batch=1500):
    """The vectors of texts, and of each text its tokens' rows without the first and the last."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    vectors, tokens, start = [None] * len(rows), [None] * len(rows), 0
    while start < len(order):
        batch = order[start : start + max(1, tokens_per_batch // len(rows[order[start]]))]
        found = model(*encoder.pad([rows[i] for i in batch]))
        for k, i in enumerate(batch):
            vectors[i], tokens[i] = found[0][k], found[1][k, 1 : len(rows[i]) - 1]
        start += len(batch)
    return torch.stack(vectors), tokens


class Entries:
    """The texts of a base's entries, in one list: all questions, then all answers."""

    def __init__(self, reader, entries):
        self.owners = [n for n, (questions, _) in enumerate(entries) for _ in questions]
        self.rows = [reader.ids(text) for questions, _ in entries for text in questions]
        self.rows += [reader.ids(answer) for _, answer in entries]
        self.answers = len(self.owners)

    def of(self, entry):
        """Places of its questions."""
        return [place for place, owner in enumerate(self.owners) if owner == entry]


def features(asked, there, entries):
    """[asks, entries, 3]: the cosine with the closest question, with the answer, and how far the tokens are met."""
    (asked_vectors, asked_tokens), (vectors, tokens) = asked, there
    count = len(vectors) - entries.answers
    cosines = asked_vectors @ vectors.T
    closest = torch.stack([cosines[:, entries.of(e)].amax(1) for e in range(count)], 1)
    flat = torch.cat([rows[:, :-1] for rows in asked_tokens])
    met = []
    for entry in range(count):
        places = [*entries.of(entry), entries.answers + entry]
        met.append((flat @ torch.cat([tokens[place][:, :-1] for place in places]).T).amax(1))
    met, start, late = torch.stack(met, 1), 0, []
    for rows in asked_tokens:
        late.append((met[start : start + len(rows)] * rows[:, -1:].softmax(0)).sum(0))
        start += len(rows)
    return torch.stack([closest, cosines[:, entries.answers :], torch.stack(late)], 2)


def logits(found, shares, none, scale):
    """The scores of all entries less that of none, then zero for none."""
    scores = found @ shares - none
    return torch.cat([scores, torch.zeros(len(scores), 1)], 1) * scale


# --------------------------------------------------------------------------------------------------------------------- training


def step_loss(model, reader, base, rng):
    kept = [n for n in range(len(base.entries)) if rng.random() > DROPPED]
    place = {n: i for i, n in enumerate(kept)}
    chosen = [base.entries[n] for n in kept]
    entries = Entries(reader, [(rng.sample(questions, min(2, len(questions))), answer) for questions, answer in chosen])
    groups = {"covered": [], "uncovered": [], "dropped": []}
    for text, entry in base.asks:
        groups["uncovered" if entry is None else "covered" if entry in place else "dropped"].append((text, entry))
    asks = [ask for name, most in ASKED.items() for ask in rng.sample(groups[name], min(most, len(groups[name])))]
    vectors, tokens = read(model, [reader.ids(text) for text, _ in asks] + entries.rows)
    n = len(asks)
    found = features((vectors[:n], tokens[:n]), (vectors[n:], tokens[n:]), entries)
    target = torch.tensor([place.get(entry, len(kept)) for _, entry in asks])
    out = logits(found, model.shares, model.none, model.scale.exp())
    covered = target < len(kept)
    ranked = F.cross_entropy(out[covered][:, :-1], target[covered])
    # Each of the three has to tell entries apart by itself, so that none leans on the others.
    alone = sum(F.cross_entropy(found[covered][:, :, part] * 20, target[covered]) for part in range(3)) / 3
    return F.cross_entropy(out, target) + 0.5 * ranked + 0.3 * alone


@torch.no_grad()
def principal(model, reader, texts):
    """The directions in which the states of tokens differ most: where the projection starts."""
    states = []
    for start in range(0, len(texts), 16):
        x, weight = model.states(*encoder.pad([reader.ids(text) for text in texts[start : start + 16]]))
        x = x[weight.squeeze(2) > 0]
        states.append(x / x.norm(dim=1, keepdim=True))
    states = torch.cat(states)
    return torch.linalg.eigh(states.T @ states / len(states))[1][:, -DIMENSIONS:].T.contiguous()


def train(options):
    rng = random.Random(SEED)
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    reader, model = Reader(), Desk()
    model.freeze()
    bases, turn, number, seen = bases_of(options.bases, "train"), [], 0, []
    first = [text for base in bases for questions, answer in base.entries[:6] for text in [*questions, answer]]
    model.project.weight.data.copy_(principal(model, reader, first))
    named = [(name, weights) for name, weights in model.named_parameters() if weights.requires_grad]
    slow = [weights for name, weights in named if name.startswith("base")]
    fast = [weights for name, weights in named if not name.startswith("base")]
    groups = [{"params": slow, "lr": 0, "top": 6e-5}, {"params": fast, "lr": 0, "top": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    begin, limit = time.monotonic(), options.minutes * 60
    while (share := (time.monotonic() - begin) / limit) < 1.0:
        if not turn:
            turn = bases[:]
            rng.shuffle(turn)
        for group in optimizer.param_groups:
            group["lr"] = group["top"] * min(1.0, (number + 1) / 20) * (1.0 - share)
        model.train()
        loss = step_loss(model, reader, turn.pop(), rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(slow + fast, 1.0)
        optimizer.step()
        seen.append(float(loss.detach()))
        number += 1
        if number % 10 == 0:
            print(f"step {number}: loss {np.mean(seen[-30:]):.4f}, {time.monotonic() - begin:.0f} s of {limit:.0f}", flush=True)
    torch.save(model.state_dict(), options.output)


# ----------------------------------------------------------------------------------------------------------------------- export


def export(options):
    import export as exporting

    model = Desk()
    model.load_state_dict(torch.load(options.weights, weights_only=True))
    with torch.no_grad():
        model.base.positions.weight = nn.Parameter(model.base.positions.weight[: encoder.MAX_TOKENS].clone())
    options.model.mkdir(parents=True, exist_ok=True)
    exporting.export_int8(model, options.model / "encoder.onnx")


class Shipped:
    """The exported model under ONNX Runtime, called as `Desk` is, one text at a time: dynamic quantisation takes its scale over a batch,
    and the gateway reads one text at a time."""

    def __init__(self, folder):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), options, providers=["CPUExecutionProvider"])

    def read(self, rows):
        found = []
        for row in rows:
            ids = np.array([row], np.int64)
            found.append(self.session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)}))
        vectors = torch.tensor(np.concatenate([one[0] for one in found]))
        return vectors, [torch.tensor(one[1][0, 1:-1]) for one in found]


def readings(model, reader, base):
    """Of one base: the features of each question with each entry, and the right entry, or the number of entries for none."""
    entries = Entries(reader, base.entries)
    asked = model.read([reader.ids(text) for text, _ in base.asks])
    found = features(asked, model.read(entries.rows), entries)
    return found, torch.tensor([len(base.entries) if entry is None else entry for _, entry in base.asks])


# -------------------------------------------------------------------------------------------------------------- fit and judgement


def fitted(read_bases):
    """The five constants under which the right entries, and none where none is right, are likeliest."""
    shares, none, scale = torch.tensor([0.4, 1.0, 0.8]), torch.tensor(0.95), torch.tensor(2.3)
    constants = [value.clone().requires_grad_() for value in (shares, none, scale)]
    optimizer = torch.optim.LBFGS(constants, max_iter=300, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        total = sum(F.cross_entropy(logits(found, constants[0], constants[1], constants[2].exp()), right, reduction="sum")
                    for found, right in read_bases)
        total = total / sum(len(right) for _, right in read_bases)
        total.backward()
        return total

    optimizer.step(loss)
    # The scale is of the whole; that of the answer stays 1, so that the file can be read.
    with torch.no_grad():
        unit = constants[0][1].clone()
        return constants[0] / unit, constants[1] / unit, constants[2].exp() * unit


def verdicts(read_bases, shares, none, scale):
    """For each question: the likelihood of the likeliest entry, whether one is right, and whether it is this one."""
    rows = []
    for found, right in read_bases:
        likely, first = logits(found, shares, none, scale).softmax(1)[:, :-1].max(1)
        rows += [(float(p), bool(r < found.shape[1]), bool(e == r)) for p, e, r in zip(likely, first, right)]
    return np.array(rows)


def told(name, rows, threshold):
    covered, right, given = rows[:, 1] > 0, rows[:, 2] > 0, rows[:, 0] >= threshold
    wrong = (given & covered & ~right).sum()
    print(f"{name}: {covered.sum()} covered, {(~covered).sum()} uncovered; right entry first {right[covered].mean():.3f}; at {threshold:.2f}: "
          f"right {(given & right).sum() / covered.sum():.3f}, of the given wrong {wrong / max(1, (given & covered).sum()):.3f}, "
          f"uncovered given {(given & ~covered).sum() / max(1, (~covered).sum()):.3f}", flush=True)


def threshold_of(rows, wrong_at_most=0.02, uncovered_at_most=0.05):
    """The lowest at which few enough answers are wrong and few enough uncovered questions are answered."""
    covered, right = rows[:, 1] > 0, rows[:, 2] > 0
    for threshold in np.arange(0.3, 0.995, 0.01):
        given = rows[:, 0] >= threshold
        wrong = (given & covered & ~right).sum() / max(1, (given & covered).sum())
        if wrong <= wrong_at_most and (given & ~covered).sum() <= uncovered_at_most * (~covered).sum():
            return round(float(threshold), 2)
    return 0.99


def fit(options):
    import package

    reader, model = Reader(encoder.MAX_TOKENS - 2), Shipped(options.model)
    sides = {which: [readings(model, reader, base) for base in bases_of(options.bases, which)] for which in ("fit", "judge")}
    shares, none, scale = fitted(sides["fit"])
    head = {"version": 1, **{part: round(float(share), 4) for part, share in zip(PARTS, shares)},
            "none": round(float(none), 4), "scale": round(float(scale), 3)}
    (options.model / "heads.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    package.name_in_manifest(options.model)
    print(json.dumps(head))
    best = threshold_of(verdicts(sides["fit"], shares, none, scale))
    for which, rows in sides.items():
        for threshold in sorted({best, 0.5, 0.6, 0.7, 0.8, 0.9}):
            told(which + (" (chosen)" if threshold == best else ""), verdicts(rows, shares, none, scale), threshold)


# ----------------------------------------------------------------------------------------------------------- public intent sets


def public_bases(folder, rng):
    """Bases from public intents that nothing here was trained on: NLU++ hotels (a set of intents is an entry) and CLINC150 (an intent is
    an entry), six of each; a part of the intents is left out, and their sentences are covered by none."""
    rows = fit_search.read(folder / "nlupp_hotels.jsonl.zst")
    groups = {}
    for row in rows:
        groups.setdefault(" ".join(sorted(row["intents"])), []).append(row["text"])
    groups = {name: texts for name, texts in groups.items() if name and len(texts) >= 6}
    for number in range(6):
        yield "nlupp_hotels", base_of_intents(f"nlupp-{number}", groups, rng, 0.75)
    rows = fit_search.read(folder / "clinc150.jsonl.zst")
    groups, outside = {}, [row["text"] for row in rows if row["intent"] == "oos"]
    for row in rows:
        if row["intent"] != "oos":
            groups.setdefault(row["intent"], []).append(row["text"])
    for number in range(6):
        base = base_of_intents(f"clinc-{number}", groups, rng, 0.25)
        base.asks += [(text, None) for text in rng.sample(outside, 60)]
        yield "clinc150", base


def base_of_intents(name, groups, rng, share, questions=5, asked=3):
    """A share of the intents as entries of `questions` sentences, with the first as the answer's text, since intents have none."""
    names = sorted(groups)
    rng.shuffle(names)
    kept = set(names[: int(len(names) * share)])
    entries, asks = [], []
    for intent in names:
        texts = rng.sample(groups[intent], len(groups[intent]))
        if intent in kept:
            asks += [(text, len(entries)) for text in texts[questions : questions + asked]]
            entries.append((texts[:questions], texts[0]))
        else:
            asks.append((texts[0], None))
    return Base(name, entries, asks)


def public(options):
    head = json.loads((options.model / "heads.json").read_text(encoding="utf-8"))
    shares = torch.tensor([head[part] for part in PARTS])
    rng, reader, model, found = random.Random(SEED), Reader(encoder.MAX_TOKENS - 2), Shipped(options.model), {}
    for name, base in public_bases(options.data, rng):
        found.setdefault(name, []).append(readings(model, reader, base))
    for name, rows in found.items():
        for threshold in (0.5, 0.7, 0.8, 0.9):
            told(name, verdicts(rows, shares, head["none"], head["scale"]), threshold)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    trainer = commands.add_parser("train")
    trainer.add_argument("--output", type=Path, required=True)
    trainer.add_argument("--minutes", type=float, required=True, help="the rate falls to nothing over this time")
    trainer.add_argument("--threads", type=int, default=1)
    trainer.set_defaults(run=train)
    exporter = commands.add_parser("export")
    exporter.add_argument("--weights", type=Path, required=True)
    exporter.set_defaults(run=export)
    fitter = commands.add_parser("fit")
    fitter.set_defaults(run=fit)
    judge = commands.add_parser("public")
    judge.add_argument("--data", type=Path, required=True, help="the folder of nlupp_hotels and clinc150")
    judge.set_defaults(run=public)
    for command in (trainer, fitter):
        command.add_argument("--bases", type=Path, default=BASES)
    for command in (exporter, fitter, judge):
        command.add_argument("--model", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
