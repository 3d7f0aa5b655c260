"""Comparing an exported file with the student, on real inputs of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kdkit.errors import KdkitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

# The largest difference of a logit, absolute, and relative to logits beyond 1: float32 sums in another order.
TOLERANCE = 1e-4

Infer = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """How far a file's logits lie from the student's, at most, on how many batches of which shapes."""

    largest_difference: float
    shapes: list[tuple[int, ...]]


def compare_file(
    name: str,
    infer: Infer,
    network: torch.nn.Module,
    windows: np.ndarray,
    axes: Mapping[int, str],
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Compare a file's logits with the network's; ``axes``: those of any length, each of which is also cut shorter.

    Raises :class:`KdkitError` where they differ by more than ``tolerance`` (of logits beyond 1: of their size), or
    where the file does not run.
    """
    import torch

    largest, shapes = 0.0, []
    for batch in batches(windows, axes):
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).float().numpy()
        try:
            logits = infer(batch)
        except Exception as error:  # a runtime says in many ways that an input does not fit
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise KdkitError(f"{name} does not run on inputs {batch.dtype} {batch.shape}: {lines[0]}") from error
        if logits.shape != expected.shape:
            raise KdkitError(f"{name} gives logits {logits.shape}, the student {expected.shape}, on {batch.shape}")
        difference = float((np.abs(logits - expected) / np.maximum(1, np.abs(expected))).max())
        if not difference <= tolerance:
            raise KdkitError(
                f"{name} differs from the student by {difference:.2g} on inputs {batch.shape}; at most "
                f"{tolerance:g} is rounding",
                "Nothing was kept. The network computes something that this form cannot express.",
            )
        largest = max(largest, difference)
        shapes.append(batch.shape)
    return Agreement(largest, shapes)


def batches(windows: np.ndarray, axes: Mapping[int, str]) -> Iterator[np.ndarray]:
    """The windows as they are, one alone, and cut to about two thirds along each other axis of any length."""
    yield windows
    for axis in axes:
        length = 1 if axis == 0 else max(1, 2 * windows.shape[axis] // 3)
        yield np.ascontiguousarray(np.take(windows, range(length), axis))
