"""The 1797 handwritten digits of scikit-learn, in a training half and a held-out half."""

from __future__ import annotations

import numpy as np

SIDE = 8
CLASSES = 10
TRAINING = 898

# scikit-learn counts the ink of 4 x 4 blocks of a 32 x 32 bitmap.
FULL_INK = 16

Half = tuple[np.ndarray, np.ndarray]


def training_half() -> Half:
    """The first 898 digits, which the teacher was trained on: images uint8 (n, 8, 8), labels int64 (n,)."""
    return _digits(slice(0, TRAINING))


def held_out_half() -> Half:
    """The other 899, which nothing is trained on."""
    return _digits(slice(TRAINING, None))


def to_bytes(ink: np.ndarray) -> np.ndarray:
    """Ink counts 0..16 as uint8, 0..255."""
    return np.rint(np.asarray(ink) * (255 / FULL_INK)).astype(np.uint8)


def _digits(half: slice) -> Half:
    from sklearn.datasets import load_digits

    dataset = load_digits()
    return to_bytes(dataset.images[half]), dataset.target[half].astype(np.int64)
