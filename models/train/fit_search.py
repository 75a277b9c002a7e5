"""Fits the constants of `src/knowledge/search.rs`: how a cosine and shared words become one score,
and from which score and margin on an approved answer may be given.

    python fit_search.py --data DIR --encoder DIR [--judge SOURCE.yaml HOLDOUT.jsonl] [--today DATE]

`--data` holds bitext.jsonl.zst, clinc150.jsonl.zst and dstc9_faq.jsonl.zst; `--encoder` holds
encoder.onnx and tokenizer.json. The held-out questions given with `--judge` are only judged by the
constants found; they never choose any of them.

From the data many small approved-answer files are drawn: an intent becomes an entry with a handful of
its sentences as questions, other sentences of the same intent are the questions of customers, and
sentences of intents that were left out (plus clinc's out-of-scope ones) are what must not be answered.
From dstc9 each place's questions make one file; one question at a time is taken out and asked, so its
neighbours are tempting and wrong.

Needs numpy, onnxruntime, tokenizers, zstandard, and pyyaml for `--judge`. `--cache FILE.npz` keeps embeddings
between runs. The word handling mirrors `src/knowledge/words.rs` line for line.
"""

import argparse
import hashlib
import io
import json
import math
import random
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import zstandard

import data

K1, B = 1.2, 0.5
PRECISION = 0.98


# ------------------------------------------------------------------------------------------- words


def words(text):
    text = unicodedata.normalize("NFKC", text).lower()
    found, word = [], []
    for c in text + " ":
        if c.isalnum():
            word.append(c)
        elif c in "'\u2019":
            continue
        elif word:
            found.append(stem("".join(word)))
            word = []
    return found


def stem(word):
    if not word.isascii() or len(word) < 4:
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "aeiouls":
                word = word[:-1]
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word


class Lexicon:
    """BM25 over the words of each entry's questions and answer, as a share of the most a text could reach."""

    def __init__(self, documents):
        self.counts = [Counter(w for text in texts for w in words(text)) for texts in documents]
        self.lengths = [sum(c.values()) for c in self.counts]
        self.mean = sum(self.lengths) / max(1, len(self.lengths))
        seen = Counter(w for c in self.counts for w in c)
        self.idf = {w: self.rarity(n) for w, n in seen.items()}
        self.unseen = self.rarity(0)

    def rarity(self, holders):
        return math.log(1 + (len(self.counts) - holders + 0.5) / (holders + 0.5))

    def scores(self, text):
        asked = set(words(text))
        most = sum(self.idf.get(w, self.unseen) for w in asked)
        if most == 0:
            return np.zeros(len(self.counts))
        out = []
        for counts, length in zip(self.counts, self.lengths):
            total = 0.0
            for w in asked:
                n = counts.get(w, 0)
                if n:
                    total += self.idf[w] * n * (K1 + 1) / (n + K1 * (1 - B + B * length / self.mean))
            out.append(total / (most * (K1 + 1)))
        return np.array(out)


# -------------------------------------------------------------------------------------------- data


def read(path):
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file)
        return [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]


# Intents whose sentences ask for the same approved answer, by the name of the first.
SAME = {
    "check_invoice": "get_invoice",
    "set_up_shipping_address": "change_shipping_address",
    "contact_human_agent": "contact_customer_service",
    "switch_account": "edit_account",
    "registration_problems": "create_account",
    "delivery_options": "delivery_period",
}


def neighbours(names):
    """Groups of intents that share a telling word of their names (`pto_balance`, `pto_used`). Whoever approves an answer
    to one has answers to all: left out singly, their sentences would be unanswerable by label only. The near misses
    that remain are the other entries of a file and the places of dstc9."""
    holders = defaultdict(list)
    for name in names:
        for word in set(name.split("_")):
            holders[word].append(name)
    group = {name: {name} for name in names}
    for sharing in holders.values():
        if len(sharing) <= 5:
            merged = set().union(*(group[name] for name in sharing))
            for name in merged:
                group[name] = merged
    return sorted({tuple(sorted(names)) for names in group.values()})


def intent_files(rows, rng, draws, entries, questions, asked, plain=lambda row: True):
    """Approved-answer files drawn from sentences with intents: (entries, [(text, index of the entry or None)])."""
    groups = defaultdict(list)
    for row in rows:
        groups[SAME.get(row["intent"], row["intent"])].append(row)
    out_of_scope = [row["text"] for row in groups.pop("oos", [])]
    wanted = entries
    for _ in range(draws):
        entries = wanted
        together = neighbours(sorted(groups))
        rng.shuffle(together)
        names = [name for names in together for name in names]
        while len(names) > entries and neighbour_of(names[entries], names[entries - 1], together):
            entries += 1
        source, asks = [], []
        for number, name in enumerate(names):
            group = groups[name][:]
            rng.shuffle(group)
            if number < entries:
                approved = [row for row in group if plain(row)][: rng.randint(*questions)]
                taken = {row["text"] for row in approved}
                rest = [row for row in group if row["text"] not in taken]
                asks += [(row["text"], number) for row in rest[:asked]]
                answer = [approved[0].get("answer") or ""]
                source.append(([row["text"] for row in approved], answer))
            else:
                asks += [(row["text"], None) for row in group[:1]]
        if out_of_scope:
            asks += [(text, None) for text in rng.sample(out_of_scope, 30)]
        yield source, asks


def neighbour_of(one, other, together):
    return any(one in names and other in names for names in together)


def place_files(rows):
    """One file per place; some of its questions are asked with their own entry taken out. Whether another entry of the
    place says the same is seen from the answers: see `without_twins`."""
    places = defaultdict(list)
    for row in rows:
        places[tuple(row["key"][:2])].append(row)
    for place in sorted(places):
        group = places[place]
        if len(group) < 12:
            continue
        for out in range(0, len(group), 6):
            kept = [row for n, row in enumerate(group) if n != out]
            yield [([row["text"]], [row["answer"]]) for row in kept], [(group[out]["text"], None)], group[out]["answer"]


def without_twins(files, encoder):
    """A question taken out of its place is unanswerable only when no entry left there gives nearly its answer."""
    files = list(files)
    encoder.learn([answer for _, _, answer in files] + [a for source, _, _ in files for _, (a,) in source])
    for source, asks, answer in files:
        if max(encoder.known[a] @ encoder.known[answer] for _, (a,) in source) < 0.6:
            yield source, asks


def fits(intent):
    """True for the half of the intents set aside that may fit these constants."""
    return hashlib.sha256(("firstline-search:" + intent).encode("utf-8")).digest()[0] % 2 == 0


def tuning_files(folder, encoder, rng):
    bitext, clinc = read(folder / "bitext.jsonl.zst"), read(folder / "clinc150.jsonl.zst")
    plain = lambda row: not set(row["tags"]) & set("QZW")
    # What the encoder was taught lies closer together than what an operator brings: only rows that it never saw count,
    # and of CLINC150 only intents that it never saw. The other half of those is kept for judging.
    bitext = [row for row in bitext if data.held_out(data.group_key(row))]
    clinc = [row for row in clinc if row["intent"] == "oos" or (data.held_intent(row["intent"]) and fits(row["intent"]))]
    files = [("bitext", f) for f in intent_files(bitext, rng, 4, 15, (4, 6), 5, plain)]
    files += [("clinc", f) for f in intent_files(clinc, rng, 24, 9, (4, 6), 6)]
    places = place_files(read(folder / "dstc9_faq.jsonl.zst"))
    files += [("dstc9", f) for f in without_twins(places, encoder)]
    return files


# ---------------------------------------------------------------------------------------- embedding


class Encoder:
    def __init__(self, folder, cache):
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), options)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.cache = cache
        self.known = {}
        if cache and cache.exists():
            saved = np.load(cache, allow_pickle=False)
            self.known = dict(zip(saved["texts"].tolist(), saved["vectors"]))

    def learn(self, texts):
        new = sorted(set(texts) - set(self.known), key=len)
        for start in range(0, len(new), 64):
            self.known.update(zip(new[start : start + 64], self.batch(new[start : start + 64])))
        if new and self.cache:
            texts = list(self.known)
            np.savez(self.cache, texts=np.array(texts), vectors=np.stack([self.known[t] for t in texts]))

    def batch(self, texts):
        rows = [self.tokenizer.encode(text).ids for text in texts]
        rows = [ids if len(ids) <= 256 else ids[:192] + ids[-64:] for ids in rows]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for n, row in enumerate(rows):
            ids[n, : len(row)], mask[n, : len(row)] = row, 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name for i in self.session.get_inputs()}
        vectors = self.session.run(None, {k: v for k, v in feed.items() if k in wanted})[0]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# ------------------------------------------------------------------------------------------ fitting


def readings(source, asks, encoder):
    """For each question asked: the features of its closest entry, its margin, and whether it is the right one."""
    lexicon = Lexicon([questions + answer for questions, answer in source])
    middles = np.stack([np.mean([encoder.known[q] for q in questions], axis=0) for questions, _ in source])
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    owners = np.concatenate([np.full(len(questions), n) for n, (questions, _) in enumerate(source)])
    questions = np.stack([encoder.known[q] for qs, _ in source for q in qs])
    for text, right in asks:
        vector, shares = encoder.known[text], lexicon.scores(text)
        best = np.full(len(source), -1.0)
        np.maximum.at(best, owners, questions @ vector)
        yield (*features(best, middles @ vector, shares), right)


def features(best, middle, shares):
    """The closest entry with words and meaning, and the one by words alone."""
    meaning = (best + 2 * middle) / 3
    return closest(1.5 * meaning + 0.5 * shares, meaning, shares), closest(shares, shares)


def closest(closeness, *kinds):
    top = int(np.argmax(closeness))
    lead = lambda values: values[top] - max(np.delete(values, top), default=0.0)
    return top, [f(kind) for kind in kinds for f in (lambda k: k[top], lead)], lead(closeness)


def logistic(x, y, rounds=60):
    """Logistic regression by Newton's method with a trace of ridge."""
    x = np.column_stack([np.ones(len(x)), x])
    w = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - y) + 1e-3 * w
        curve = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(len(w))
        w -= np.linalg.solve(curve, slope)
    return w


def thresholds(scores, margins, right):
    """The pair with the most right answers among those that keep the precision."""
    best = (-1, -1.0, -1.0)
    for score in np.arange(0.50, 0.996, 0.005):
        for margin in np.arange(0.0, 0.41, 0.02):
            given = (scores >= score) & (margins >= margin)
            if given.sum() >= 50 and right[given].mean() >= PRECISION:
                best = max(best, (int(right[given].sum()), -score, -margin))
    return -best[1], -best[2]


def judge(name, scores, margins, right, answerable, limits):
    given = (scores >= limits[0]) & (margins >= limits[1])
    print(f"  {name}: {int((given & right).sum())} of {int(answerable.sum())} answered rightly, "
          f"{int((given & ~right & answerable).sum())} wrongly; "
          f"{int((given & ~answerable).sum())} of {int((~answerable).sum())} without an answer answered")


def shop(source, holdout, today):
    import yaml

    entries = yaml.safe_load(source.read_text(encoding="utf-8"))["entries"]
    entries = [entry for entry in entries if str(entry.get("until", "9999")) >= today]
    place = {entry["id"]: n for n, entry in enumerate(entries)}
    asks = [json.loads(line) for line in holdout.read_text(encoding="utf-8").splitlines() if line]
    return ([(e["questions"], [e["answer"]]) for e in entries],
            [(a["text"], place[a["expect"]] if a["expect"] else None) for a in asks])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--judge", type=Path, nargs=2)
    parser.add_argument("--today", default="2026-11-21", help="entries of the judged file past their end are dropped")
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()

    encoder = Encoder(arguments.encoder, arguments.cache)
    files = tuning_files(arguments.data, encoder, random.Random(7))
    if arguments.judge:
        files.append(("held out", shop(*arguments.judge, arguments.today)))
    encoder.learn([t for _, (source, asks) in files for qs, _ in source for t in qs]
                  + [t for _, (_, asks) in files for t, _ in asks])
    kinds = np.array([kind for kind, (_, asks) in files for _ in asks])
    rows = [row for _, file in files for row in readings(*file, encoder)]
    answerable = np.array([row[-1] is not None for row in rows])
    tuning = kinds != "held out"
    print(f"{tuning.sum()} questions over {len(files)} files, {answerable[tuning].sum()} of them answerable")
    for basis, name in enumerate(("meaning and words", "words alone")):
        x = np.array([row[basis][1] for row in rows])
        margins = np.array([row[basis][2] for row in rows])
        right = np.array([row[-1] is not None and row[basis][0] == row[-1] for row in rows])
        w = logistic(x[tuning], right[tuning].astype(float))
        scores = 1 / (1 + np.exp(-(w[0] + x @ w[1:])))
        limits = thresholds(scores[tuning], margins[tuning], right[tuning])
        print(f"{name}: bias {w[0]:.3f}, weights (value, lead)... {', '.join(f'{v:.3f}' for v in w[1:])}")
        print(f"  score >= {limits[0]:.3f}, margin >= {limits[1]:.2f}")
        for kind in sorted(set(kinds)):
            of = kinds == kind
            judge(kind, scores[of], margins[of], right[of], answerable[of], limits)


if __name__ == "__main__":
    main()
