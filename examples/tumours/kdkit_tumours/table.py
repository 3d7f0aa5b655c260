"""What is known of the table without a row of it, and its real rows in two halves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

BOUNDS = Path(__file__).with_name("bounds.csv")
CLASSES = ("benign", "malignant")

Half = tuple[np.ndarray, np.ndarray]


def bounds() -> list[tuple[str, float, float, str]]:
    """Of each column its name, lowest value, highest value and scale, as the data set's description states them."""
    with BOUNDS.open(encoding="utf-8", newline="") as file:
        return [(row["column"], float(row["low"]), float(row["high"]), row["scale"]) for row in csv.DictReader(file)]


def training_half() -> Half:
    """Every other row, which the teacher was trained on: float32 (285, 30), and 1 for malignant, int64 (285,)."""
    return _rows(0)


def held_out_half() -> Half:
    """The other 284, which nothing is trained on."""
    return _rows(1)


def _rows(first: int) -> Half:
    from sklearn.datasets import load_breast_cancer

    dataset = load_breast_cancer()
    return dataset.data[first::2].astype(np.float32), 1 - dataset.target[first::2].astype(np.int64)
