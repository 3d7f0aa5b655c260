"""The real digits: those that scores are measured on, and the training half without its labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from kdkit import DataError, Generator, Sample
from kdkit_digits.halves import Half, held_out_half, training_half


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


class Unlabelled(Generator):
    """The 898 real digits that the teacher was trained on, uint8 (8, 8), without their labels.

    What a student could learn if there were data: the upper control of the benchmark.
    """

    synthetic = False

    @cached_property
    def _images(self) -> np.ndarray:
        return training_half()[0]

    def count(self) -> int:
        return len(self._images)

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            if not 0 <= index < len(self._images):
                raise DataError(f"there is no digit {index} in the training half; there are {len(self._images)}")
            yield Sample(self._images[index], info={"name": f"training-{index:03d}"})
