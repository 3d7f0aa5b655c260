"""Training items: windows of raw samples with the teacher's targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from kdkit.contracts.alignment import Slices, WindowCut
from kdkit.contracts.vocabulary import Activation
from kdkit.engine.guard import read_logits, run_network, title_of_network
from kdkit.errors import DataError
from kdkit.plugins.calls import call
from kdkit.recipe.experiment import Experiment
from kdkit.runs.run import LabelledSplit
from kdkit.store.targets import NAME, WEIGHT, decode_targets, decode_weight

Place = tuple[int, int]
"""An epoch and an item. Processes that read ahead learn the epoch so, and from nothing else."""


class Windows(Dataset[tuple[torch.Tensor, ...]]):
    """(inputs, targets) of a split: a window of each sample, cut from both, or all of it where there is no ``cut``.

    A third part is the targets' weight, where the teacher has given one.

    An item is asked for by its :data:`Place`. With a ``seed`` the windows begin at random, anew in each epoch and the
    same whenever that epoch is repeated; without one they lie in the middle, so that validation always sees the same.
    """

    def __init__(self, part: LabelledSplit, activation: Activation, cut: WindowCut | None, seed: int | None) -> None:
        self.part = part
        self.activation = activation
        self.cut = cut
        self.seed = seed
        self.has_weights = part.targets.has(part.split.start, WEIGHT)

    def __len__(self) -> int:
        return len(self.part.split)

    def __getitem__(self, place: Place) -> tuple[torch.Tensor, ...]:
        epoch, item = place
        index = self.part.split.start + item
        samples, targets = self.part.split.samples.store, self.part.targets
        window, target_window = self._slices(epoch, index)
        target = decode_targets(targets.read(index, NAME, target_window), self.activation)
        parts = [samples.read(index, "inputs", window), target]
        if self.has_weights:
            parts.append(decode_weight(targets.read(index, WEIGHT, target_window)))
        return tuple(torch.from_numpy(part) for part in parts)

    def _slices(self, epoch: int, index: int) -> tuple[Slices, Slices] | tuple[None, None]:
        if self.cut is None:
            return None, None
        shapes = self.part.split.samples.store.shape(index, "inputs"), self.part.targets.shape(index, NAME)
        if self.seed is None:
            return self.cut.cut(*shapes, lambda last: last // 2)
        rng = np.random.default_rng([self.seed, epoch, index])
        return self.cut.cut(*shapes, lambda last: int(rng.integers(0, last + 1)))


def check_student_on_windows(experiment: Experiment, inputs: np.ndarray) -> None:
    """Raises :class:`DataError` when the student's logits for a window of the sample are not cut as its inputs are.

    ``inputs``: raw, of one whole sample. Its targets are in the shape of the student's logits for it.
    """
    cut = experiment.window_cut
    assert cut is not None
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = call(experiment.student.build).eval()
        whole = _logits_shape(network, inputs)
        try:
            window, target_window = cut.cut(inputs.shape, whole, lambda last: last // 2)
        except DataError as error:
            raise DataError(
                f"the student {experiment.recipe.student.name} gives logits {whole} for a sample of {inputs.shape}, "
                f"of which no window can be cut: {error.message}",
                "Correct the student or the domain's aligned_axes, or set training.window=null to train on whole "
                "samples.",
            ) from None
        part = _logits_shape(network, inputs[window])
    expected = np.empty(whole, np.bool_)[target_window].shape
    if part != expected:
        raise DataError(
            f"for a window of {inputs[window].shape} the student {experiment.recipe.student.name} gives logits "
            f"{part}, and such a window of its targets, {whole} for {inputs.shape}, is {expected}",
            "Set training.window=null to train on whole samples, or correct the domain's aligned_axes.",
        )


def _logits_shape(network: torch.nn.Module, inputs: np.ndarray) -> tuple[int, ...]:
    output = run_network(network, torch.from_numpy(np.ascontiguousarray(inputs[None])))
    return tuple(read_logits(output, 1, title_of_network(network))[0].shape[1:])


@dataclass(frozen=True)
class Share:
    """What process ``rank`` of ``size`` takes of each batch: every ``size``-th item, so that a step stays a step.

    A batch that is too small for all of them leaves some without: these take its first item, which counts nothing.
    """

    rank: int = 0
    size: int = 1

    def count(self, batch: int) -> int:
        """How many items of a batch of this length are this process's."""
        return len(range(self.rank, batch, self.size))

    def take(self, batch: list[Place]) -> list[Place]:
        return batch[self.rank :: self.size] or batch[:1]

    def factor(self, batch: int) -> float:
        """By what this process's mean loss is multiplied, so that the processes' mean is that over the batch."""
        return self.count(batch) * self.size / batch


class SharedBatches(Sampler[list[Place]]):
    """A process's share of each batch of ``size`` items, in the order of ``sampler``."""

    def __init__(self, sampler: Sampler[Place], items: int, size: int, share: Share) -> None:
        self.sampler = sampler  # by this name Lightning finds it, to set its epoch
        self.items = items
        self.size = size
        self.share = share

    def __len__(self) -> int:
        return -(-self.items // self.size)

    def length(self, number: int) -> int:
        """How many items batch ``number`` has, over all processes."""
        return min(self.size, self.items - number * self.size)

    def __iter__(self) -> Iterator[list[Place]]:
        order = list(self.sampler)
        for first in range(0, self.items, self.size):
            yield self.share.take(order[first : first + self.size])


class ShuffledSampler(Sampler[Place]):
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

    def __iter__(self) -> Iterator[Place]:
        for item in np.random.default_rng([self.seed, self.epoch]).permutation(self.items).tolist():
            yield self.epoch, item


class OrderedSampler(Sampler[Place]):
    """Every item once, in order; all epochs are alike."""

    def __init__(self, items: int) -> None:
        self.items = items

    def __len__(self) -> int:
        return self.items

    def __iter__(self) -> Iterator[Place]:
        for item in range(self.items):
            yield 0, item
