"""Checks what the example has put into a folder against scikit-learn: python3 check.py FOLDER"""

import json
import pathlib
import sys
from xml.etree import ElementTree

import digits
import numpy as np
from sklearn.linear_model import LogisticRegression

POINTS_MAX = 2  # percentage points

folder = pathlib.Path(sys.argv[1])
learnt = json.loads((folder / "learn").read_text())
rounds = learnt["rounds"]


def accuracy_of(weights):
    classifier = LogisticRegression()
    classifier.coef_, classifier.intercept_, classifier.classes_ = weights.T, np.zeros(len(weights.T)), np.arange(10)
    return classifier.score(digits.test_images, digits.test_labels)


def central():
    """The best of a few regressions on all the training images at once."""
    tried = [LogisticRegression(C=c, max_iter=1000) for c in (0.1, 1, 10, 100)]
    fitted = [regression.fit(digits.train_images, digits.train_labels) for regression in tried]
    return max(regression.score(digits.test_images, digits.test_labels) for regression in fitted)


together, alone = accuracy_of(np.load(folder / "weights.npy")), central()
print(f"together {together:.2%}, on all data at once {alone:.2%}, of {len(rounds)} rounds")
assert together >= alone - POINTS_MAX / 100, "too far apart"
assert together == learnt["accuracy"][-1], "the accuracy that is told is not that of the weights"

for round in rounds:
    enough = -(-65 * len(round["chosen"]) // 100)
    assert len(set(round["accepted"])) >= enough or round["closed_by"] == "timeout", round
    assert not set(round["accepted"]) & {*round["rejected"], *round["failed"], *round["missing"]}, round
for hindered in ("rejected", "failed", "missing"):
    assert sum(len(round[hindered]) for round in rounds) >= len(rounds), f"nobody is {hindered}"

(line,) = ElementTree.parse(folder / "accuracy.svg").iterfind("{http://www.w3.org/2000/svg}polyline")
assert len(line.get("points").split()) == len(rounds), "the picture has a point for each round"
