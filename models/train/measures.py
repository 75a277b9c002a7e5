"""Figures that every report uses: intervals, calibration error, the length baseline."""

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

SEED, ROUNDS = 20, 300


def auc(labels, scores):
    """Area under the ROC curve; NaN where one class is missing."""
    hard = labels.sum()
    easy = len(labels) - hard
    if min(hard, easy) == 0:
        return float("nan")
    return float((rankdata(scores)[labels == 1].sum() - hard * (hard + 1) / 2) / (hard * easy))


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


def length_model(texts, labels, weights):
    """The baseline to beat: logistic regression on the logarithm of the prompt's length."""
    lengths = np.log1p([len(t) for t in texts])[:, None]
    model = LogisticRegression().fit(lengths, labels, weights)
    return lambda asked: model.predict_proba(np.log1p([len(t) for t in asked])[:, None])[:, 1]
