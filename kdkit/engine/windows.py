"""Training items: windows of raw samples with the teacher's targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError
from kdkit.runs.run import LabelledSplit
from kdkit.store.targets import NAME, WEIGHT, decode_targets, decode_weight


class Windows(Dataset[tuple[torch.Tensor, ...]]):
    """(inputs, targets) of a split; ``length`` of each along the first axis, or all of it.

    A third part is the targets' weight, where the teacher has given one.

    With a ``seed`` the windows begin at random, anew in each :attr:`epoch` and the same whenever that epoch is
    repeated; without one they lie in the middle, so that validation always sees the same.
    """

    def __init__(self, part: LabelledSplit, activation: Activation, length: int | None, seed: int | None) -> None:
        self.part = part
        self.activation = activation
        self.length = length
        self.seed = seed
        self.epoch = 0
        self.has_weights = part.targets.has(part.split.start, WEIGHT)

    def __len__(self) -> int:
        return len(self.part.split)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, ...]:
        index = self.part.split.start + item
        samples, targets = self.part.split.samples.store, self.part.targets
        window = None
        if self.length:
            window = self._window(index, samples.length(index, "inputs"))
            self._check_length(index)
        target = decode_targets(targets.read(index, NAME, window), self.activation)
        parts = [samples.read(index, "inputs", window), target]
        if self.has_weights:
            parts.append(decode_weight(targets.read(index, WEIGHT, window)))
        return tuple(torch.from_numpy(part) for part in parts)

    def _check_length(self, index: int) -> None:
        frames, answers = self.part.split.samples.store.length(index, "inputs"), self.part.targets.length(index, NAME)
        if frames != answers:
            raise DataError(
                f"sample {index} is {frames} long and its target {answers}: no window can be cut of both",
                "Set training.window=null, or choose a teacher that gives as many frames as it is given.",
            )

    def _window(self, index: int, available: int) -> slice:
        assert self.length is not None
        last_start = max(0, available - self.length)
        if self.seed is None:
            start = last_start // 2
        else:
            start = int(np.random.default_rng([self.seed, self.epoch, index]).integers(0, last_start + 1))
        return slice(start, min(start + self.length, available))


class ShuffledSampler(Sampler[int]):
    """Every item once, in an order that depends on (seed, epoch) alone, so that a resumed run sees the same."""

    def __init__(self, items: int, seed: int) -> None:
        self.items = items
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.items

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.items)
        return iter(order.tolist())
