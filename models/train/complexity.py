"""The complexity head: P(the local tier does not suffice), fitted to travel from one benchmark to another.

Least squares on soft outcomes, as for panel data: from every row its benchmark's mean is taken away, to the share
`centred` (0: pooled, 1: fixed effects, between: random effects). What is left says how hard a question is among its
like, and no longer which benchmark it is from; the intercepts of the benchmarks are dropped at use. The choice of
share, penalty and target is made on whole benchmark families left out, never on random rows.
"""

import random
from itertools import product

import numpy as np
from scipy.linalg import solve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

import data
import features as surface
from logistic import FOLDS, fold_numbers
from measures import auc

SEED = 20
SUPPORT_AS_EASY, EASY_WEIGHT = 4000, 0.4
ARENA_TARGET, ARENA_WEIGHT = 0.85, 0.5
CENTRED = [0.0, 0.5, 0.9]
PENALTIES = [10000.0, 30000.0]  # of the embedding
FEATURE_PENALTY = 30.0
KNOTS, LEAST_CHANCE = 16, 0.005
TARGETS = ["small", "both"]  # the small models' failures, or the mean of theirs and of all models'
UNMEASURED = ("support", "arena-hard")
LEAST_OF_A_CLASS = 20  # rows; an AUC of fewer says nothing

# A unit-length vector has entries near 0.05; without this factor one and the
# same penalty would hold the embedding back far more than the features.
SCALE = 10.0


def family(benchmark):
    """Benchmarks that share a source of questions; one family is never on both sides of a fold."""
    for name in ("mmlu", "mbpp", "arc", "math"):
        if name in benchmark:
            return name
    return benchmark


def complexity_rows(folder):
    """(text, target, soft targets, weight, group, held_out). Target: do the small models fail?

    Benchmarks weigh by the square root of their size, so that MMLU-Pro does not
    decide alone. Support turns count as easy with a modest weight, the selected
    arena-hard prompts, for which no scores exist, as probably hard.
    """
    rows = data.routing_rows(folder)
    counts = {}
    for row in rows:
        counts[row["benchmark"]] = counts.get(row["benchmark"], 0) + 1
    out = [
        dict(
            text=r["text"],
            target=float(r["small"] < 0.5),
            soft={"small": 1 - r["small"], "both": 1 - (r["small"] + r["every"]) / 2},
            small=r["small"],
            strong=r["strong"],
            weight=(500 / counts[r["benchmark"]]) ** 0.5,
            group=r["benchmark"],
            held_out=r["held_out"],
        )
        for r in rows
    ]
    easy = [r for r in data.support_rows(folder) if r["file"] != "multidogo_customer_turns"]
    for row in random.Random(SEED).sample(easy, SUPPORT_AS_EASY):
        out.append(_assumed(row["text"], 0.0, EASY_WEIGHT, "support", row["held_out"]))
    for row in data.read(folder, data.ARENA_FILE):
        side = data.held_out(data.group_key(row))
        out.append(_assumed(row["prompt"], ARENA_TARGET, ARENA_WEIGHT, "arena-hard", side))
    return out


def _assumed(text, target, weight, group, held_out):
    """A row whose target nobody measured."""
    soft = dict.fromkeys(TARGETS, target)
    return dict(text=text, target=target, soft=soft, weight=weight, group=group, held_out=held_out)


class Inputs:
    """Scaled embedding and clipped, standardised features; mean and spread are those of the rows given."""

    def __init__(self, raw):
        self.mean, self.std = raw.mean(0), raw.std(0) + 1e-6

    def __call__(self, vectors, raw):
        clip = surface.FEATURE_CLIP
        return np.concatenate([vectors * SCALE, np.clip((raw - self.mean) / self.std, -clip, clip)], axis=1)


class Rows:
    """Columns of rows, with the raw features and vectors that every fit needs."""

    def __init__(self, rows, vectors):
        self.texts = [r["text"] for r in rows]
        self.vectors = vectors
        self.raw = np.array([surface.features(t) for t in self.texts])
        self.groups = np.array([r["group"] for r in rows])
        self.families = np.array([family(g) for g in self.groups])
        self.weight = np.array([r["weight"] for r in rows])
        self.target = np.array([r["target"] for r in rows])
        self.soft = {name: np.array([r["soft"][name] for r in rows]) for name in TARGETS}
        self.measured = ~np.isin(self.groups, UNMEASURED)

    def part(self, chosen):
        """The rows at a mask or list of places."""
        out = object.__new__(Rows)
        places = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else np.asarray(chosen)
        out.texts = [self.texts[i] for i in places]
        out.soft = {name: values[places] for name, values in self.soft.items()}
        for name in ("vectors", "raw", "groups", "families", "weight", "target", "measured"):
            setattr(out, name, getattr(self, name)[places])
        return out


class Group:
    """Sums of one benchmark's rows, from which the sums of its centred rows follow for any share."""

    def __init__(self, rows, inputs, here):
        with_one = np.concatenate([inputs[here], np.ones((here.sum(), 1))], axis=1)
        self.weight, self.mean = rows.weight[here].mean(), with_one.mean(0)
        self.count, self.square = len(with_one), with_one.T @ with_one
        self.soft = {name: rows.soft[name][here] for name in TARGETS}
        self.cross = {name: with_one.T @ values for name, values in self.soft.items()}

    def centred(self, share, target):
        """Weighted sums of squares and of products after the share of the means is gone."""
        gone = self.count * (2 * share - share**2)
        square = self.square - gone * np.outer(self.mean, self.mean)
        cross = self.cross[target] - gone * self.mean * self.soft[target].mean()
        return self.weight * square, self.weight * cross


class Moments:
    """The sums of all groups: a fit without a family is a subtraction and one small solve."""

    def __init__(self, rows, inputs):
        self.groups = {name: Group(rows, inputs, rows.groups == name) for name in sorted(set(rows.groups))}
        self.held = np.full(inputs.shape[1] + 1, FEATURE_PENALTY)
        self.held[-1] = 1e-6  # the intercept is free

    def sums(self, share, target):
        """By family."""
        out = {}
        for name, group in self.groups.items():
            square, cross = group.centred(0.0 if name in UNMEASURED else share, target)
            known = out.get(family(name), (0, 0))
            out[family(name)] = (known[0] + square, known[1] + cross)
        return out

    def solve(self, sums, penalty, without=()):
        """Weights and, last, the intercept, of a fit that leaves families out."""
        held = self.held.copy()
        held[: -1 - len(surface.FEATURES)] = penalty
        kept = [part for name, part in sums.items() if name not in without]
        return solve(sum(k[0] for k in kept) + np.diag(held), sum(k[1] for k in kept), assume_a="pos")


def within(rows, scores, chosen):
    """Mean AUC inside each benchmark of the chosen rows, by how much each can tell; None where none can."""
    found, trust = [], []
    for group in sorted(set(rows.groups[chosen])):
        here = chosen & (rows.groups == group)
        hard, all_rows = rows.target[here].sum(), here.sum()
        if min(hard, all_rows - hard) >= LEAST_OF_A_CLASS:
            found.append(auc(rows.target[here], scores[here]))
            trust.append(hard * (all_rows - hard) / all_rows)
    return float(np.average(found, weights=trust)) if found else None


def quality(rows, scores):
    """How well scores of unseen families do three jobs: AUC inside benchmarks, AUC over all of them (each benchmark
    with the weight it has in the fit), and AUC of support questions against what is hard."""
    names = sorted(set(rows.families[rows.measured]))
    each = [within(rows, scores, rows.families == name) for name in names]
    inside = float(np.mean([x for x in each if x is not None]))
    there = rows.measured
    pooled = roc_auc_score(rows.target[there], scores[there], sample_weight=rows.weight[there])
    easy = (rows.groups == "support") | (there & (rows.target == 1))
    apart = auc(rows.target[easy], scores[easy])
    return inside, float(pooled), float(apart)


class Search:
    """Fits of whole families left out, over one set of sums. Features are standardised over all rows that were given,
    unseen ones too: their prompts, never their outcomes."""

    def __init__(self, rows):
        self.rows = rows
        self.inputs = Inputs(rows.raw)(rows.vectors, rows.raw)
        self.moments = Moments(rows, self.inputs)
        self.sums = {pair: self.moments.sums(*pair) for pair in product(CENTRED, TARGETS)}

    def score(self, choice, here, without):
        """Scores of the rows `here` by a fit without the families."""
        centred, target, penalty = choice
        solved = self.moments.solve(self.sums[centred, target], penalty, without)
        return self.inputs[here] @ solved[:-1] + solved[-1]

    def unseen(self, choice, gone=()):
        """Each family scored by a fit without it, support and arena-hard by the fit of all; none has seen `gone`, whose
        rows stay at 0."""
        scores = np.zeros(len(self.inputs))
        for name in sorted(set(self.rows.families) - set(UNMEASURED) - set(gone)):
            here = self.rows.families == name
            scores[here] = self.score(choice, here, {name, *gone})
        scores[~self.rows.measured] = self.score(choice, ~self.rows.measured, set(gone))
        return scores

    def choose(self, gone=(), say=lambda line: None):
        """(centred, target, penalty) with the best mean `quality` in unseen families, and the scores it gives them."""
        kept = ~np.isin(self.rows.families, list(gone))
        rows, best = self.rows.part(kept), (-1.0, None, None)
        for choice in product(CENTRED, TARGETS, PENALTIES):
            scores = self.unseen(choice, gone)[kept]
            found = quality(rows, scores)
            say("complexity {} {} {:g}: ".format(*choice) + " ".join(f"{x:.4f}" for x in found))
            best = max(best, (sum(found) / len(found), choice, scores), key=lambda entry: entry[0])
        return best[1:]


def fit(rows, choice):
    """The head, not yet calibrated."""
    prepare = Inputs(rows.raw)
    centred, target, penalty = choice
    moments = Moments(rows, prepare(rows.vectors, rows.raw))
    solved = moments.solve(moments.sums(centred, target), penalty)
    size = rows.vectors.shape[1]
    return {
        "features": surface.FEATURES,
        "feature_mean": prepare.mean.tolist(),
        "feature_std": prepare.std.tolist(),
        "feature_clip": surface.FEATURE_CLIP,
        "weights_embedding": (solved[:size] * SCALE).tolist(),
        "weights_features": solved[size:-1].tolist(),
        "bias": float(solved[-1]),
    }


def raw_score(head, rows):
    """The number z of FEATURES.md."""
    scaled = (rows.raw - np.array(head["feature_mean"])) / np.array(head["feature_std"])
    clipped = np.clip(scaled, -head["feature_clip"], head["feature_clip"])
    return head["bias"] + rows.vectors @ head["weights_embedding"] + clipped @ head["weights_features"]


def out_of_fold(rows, choice):
    """Scores of random fifths, each by a fit of the others: what a row of a known kind gets."""
    folds, scores = fold_numbers(rows.texts), np.zeros(len(rows.texts))
    for fold in range(FOLDS):
        trial = fit(rows.part(folds != fold), choice)
        scores[folds == fold] = raw_score(trial, rows.part(folds == fold))
    return scores


def knots(scores, labels, weights):
    """A rising line through means of score and label: isotonic regression over bins of equal weight. One slope for
    all (Platt) cannot serve both the support questions and the benchmarks."""
    order = np.argsort(scores, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    place = np.minimum((share * KNOTS).astype(int), KNOTS - 1)
    mass = np.bincount(place, weights[order])
    at = np.bincount(place, (weights * scores)[order]) / mass
    mean = np.bincount(place, (weights * labels)[order]) / mass
    rising = IsotonicRegression(y_min=LEAST_CHANCE, y_max=1 - LEAST_CHANCE).fit(at, mean, mass).predict(at)
    # A level stretch would make unequal questions equal; this much slope keeps their order and moves no figure.
    chance = np.clip(rising + 1e-4 * np.arange(len(at)), 0, 1)
    return {"kind": "knots", "at": at.tolist(), "chance": chance.tolist()}


def calibration(rows, scores):
    """Every row counts once here, since a probability is about rows; the weights of the fit are about benchmarks."""
    return knots(scores, rows.target, np.where(rows.measured, 1.0, rows.weight))


def fit_complexity(rows, vectors):
    """The head as heads.json holds it, from training rows alone."""
    rows = Rows(rows, vectors)
    choice, _ = Search(rows).choose(say=lambda line: print(line, flush=True))
    chosen = dict(zip(("centred", "target", "penalty"), choice))
    return dict(fit(rows, choice), calibration=calibration(rows, out_of_fold(rows, choice)), chosen=chosen)
