"""The real rows that scores are measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from kdkit import DataError, Generator, Sample
from kdkit_tumours.table import Half, held_out_half


class HeldOut(Generator):
    """The 284 real rows that nothing was trained on: float32 (30,); truth: ``label``, 1 for malignant, else 0."""

    synthetic = False

    @cached_property
    def _half(self) -> Half:
        return held_out_half()

    def count(self) -> int:
        return len(self._half[1])

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        rows, labels = self._half
        for index in indices:
            if not 0 <= index < len(labels):
                raise DataError(f"there is no held-out row {index}; there are {len(labels)}")
            yield Sample(rows[index], {"label": np.array(labels[index])}, {"name": f"patient-{index:03d}"})
