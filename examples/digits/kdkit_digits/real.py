"""The real digits that scores are measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from kdkit import DataError, Generator, Sample
from kdkit_digits.halves import Half, held_out_half


class HeldOut(Generator):
    """The 899 real digits of the half that nothing was trained on: uint8 (8, 8); truth: ``label``, 0..9."""

    synthetic = False

    @cached_property
    def _half(self) -> Half:
        return held_out_half()

    def count(self) -> int:
        return len(self._half[1])

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        images, labels = self._half
        for index in indices:
            if not 0 <= index < len(labels):
                raise DataError(f"there is no held-out digit {index}; there are {len(labels)}")
            yield Sample(images[index], {"label": np.array(labels[index])}, {"name": f"digit-{index:03d}"})
