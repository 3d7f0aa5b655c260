"""What batch normalisation in a teacher remembers of its training data; importing it loads torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kdkit import KdkitError


class Mismatch:
    """How far the batches that passed are from what the layers remember; see :func:`record_mismatch`."""

    def __init__(self) -> None:
        self.terms: list[torch.Tensor] = []

    def total(self) -> torch.Tensor:
        """Sum over the layers of ‖mean - running mean‖₂ + ‖variance - running variance‖₂ of their inputs' channels.

        R_BN of DeepInversion (Yin et al. 2020, arXiv:1912.08795, eq. 4).
        """
        return torch.stack(self.terms).sum()


@contextmanager
def record_mismatch(network: torch.nn.Module) -> Iterator[Mismatch]:
    """While it lasts, every pass through the network adds its layers' mismatches.

    Raises :class:`kdkit.KdkitError` when there is no batch normalisation with running statistics in it.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and _remembers(module)]
    if not layers:
        raise KdkitError(
            "the teacher has no batch normalisation, which would remember statistics of its training data",
            "Set the generator's option batch_norm=0.",
        )
    mismatch = Mismatch()

    def add_terms(layer: Any, arguments: tuple[torch.Tensor, ...], _output: torch.Tensor) -> None:
        values = arguments[0].transpose(0, 1).flatten(1)
        mean, variance = values.mean(1), values.var(1, unbiased=False)
        mismatch.terms.append(_length(mean - layer.running_mean) + _length(variance - layer.running_var))

    hooks = [layer.register_forward_hook(add_terms) for layer in layers]
    try:
        yield mismatch
    finally:
        for hook in hooks:
            hook.remove()


def _remembers(layer: _BatchNorm) -> bool:
    return layer.running_mean is not None and layer.running_var is not None


def _length(vector: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(vector)
