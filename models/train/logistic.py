"""What the heads with one probability share: soft logistic fits, Platt calibration, and the formula of FEATURES.md."""

import hashlib

import numpy as np
from sklearn.linear_model import LogisticRegression

import features as surface

FOLDS = 5


def sigmoid(z):
    """Logistic function."""
    return 1 / (1 + np.exp(-z))


def fold_numbers(keys):
    """A fixed fold for each key."""
    return np.array([hashlib.sha256(k.encode("utf-8")).digest()[0] % FOLDS for k in keys])


def soft_fit(inputs, targets, weights, strength):
    """Logistic regression on targets in [0, 1]: each row counts once for either class."""
    doubled = np.concatenate([inputs, inputs])
    labels = np.concatenate([np.ones(len(inputs)), np.zeros(len(inputs))])
    shares = np.concatenate([weights * targets, weights * (1 - targets)])
    keep = shares > 0
    model = LogisticRegression(C=strength, max_iter=2000)
    return model.fit(doubled[keep], labels[keep], sample_weight=shares[keep])


def platt(scores, labels, weights, strength=1e6):
    """Scale and shift that turn held-out scores into probabilities."""
    model = soft_fit(scores[:, None], labels, weights, strength)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def raw_score(head, vectors, texts):
    """The number z of FEATURES.md, before calibration."""
    z = head["bias"] + vectors @ np.array(head["weights_embedding"])
    if head["features"]:
        places = [surface.FEATURES.index(name) for name in head["features"]]
        raw = np.array([surface.features(t) for t in texts])[:, places]
        scaled = (raw - np.array(head["feature_mean"])) / np.array(head["feature_std"])
        z = z + np.clip(scaled, -head["feature_clip"], head["feature_clip"]) @ np.array(head["weights_features"])
    return z


def calibrated(calibration, z):
    """Probability from the number z."""
    if calibration["kind"] == "platt":
        return sigmoid(calibration["a"] * z + calibration["b"])
    return np.interp(z, calibration["at"], calibration["chance"])


def linear_score(head, vectors, texts):
    """Probability of a complexity or attack head: the formula of FEATURES.md."""
    return calibrated(head["calibration"], raw_score(head, vectors, texts))
