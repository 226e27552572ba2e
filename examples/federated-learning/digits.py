"""The data: scikit-learn's handwritten digits, dealt to clients so that no two have the same mixture."""

import os

# Matrices are small here: threads would only keep one another waiting. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

CLIENTS = [f"client-{n:02}" for n in range(50)]
CLASSES = 10
#: Of the Dirichlet distribution: the smaller, the more the mixtures differ.
CONCENTRATION = 0.5
SEED = 20

_images, _labels = load_digits(return_X_y=True)
_images = np.hstack([_images / 16, np.ones((len(_images), 1))])  # a column of ones is the bias
train_images, test_images, train_labels, test_labels = train_test_split(
    _images, _labels, test_size=0.2, stratify=_labels, random_state=SEED
)


def _deal():
    """Which training images each client has: every digit is dealt out in shares of its own."""
    chance = np.random.default_rng(SEED)
    hands = [[] for _ in CLIENTS]
    for digit in range(CLASSES):
        pile = chance.permutation(np.flatnonzero(train_labels == digit))
        shares = chance.dirichlet([CONCENTRATION] * len(CLIENTS))
        cuts = (np.cumsum(shares)[:-1] * len(pile)).round().astype(int)
        for hand, part in zip(hands, np.split(pile, cuts)):
            hand.extend(part)
    return dict(zip(CLIENTS, hands))


_hands = _deal()


def of(client):
    """The images and labels of a client."""
    return train_images[_hands[client]], train_labels[_hands[client]]
