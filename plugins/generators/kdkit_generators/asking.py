"""Asking a teacher with gradients, and looking at what goes on inside; importing it loads torch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from kdkit import KdkitError
from kdkit_generators.statistics import watched


@dataclass(frozen=True)
class Asked:
    """Logits; the mismatch of batch statistics and a layer's output where they were asked for."""

    logits: torch.Tensor
    mismatch: torch.Tensor | None
    features: torch.Tensor | None


def asked(teacher: torch.nn.Module, inputs: torch.Tensor, statistics: bool, layer: str | None) -> Asked:
    """Raises :class:`kdkit.KdkitError` when it lacks the batch normalisation, or the layer, that is asked for."""
    kept: list[Any] = []
    with ExitStack() as stack:
        found = stack.enter_context(watched(teacher)) if statistics else None
        if layer is not None:
            hook = _module(teacher, layer).register_forward_hook(lambda _m, _i, output: kept.append(output))
            stack.callback(hook.remove)
        logits = teacher(inputs)
    return Asked(logits, found.total() if found else None, kept[-1] if kept else None)


def _module(teacher: torch.nn.Module, path: str) -> torch.nn.Module:
    # An adversary sees the teacher inside a wrapper, so that its paths may have something before them.
    found = [module for name, module in teacher.named_modules() if name == path or name.endswith(f".{path}")]
    if not found:
        raise KdkitError(f"the teacher's network has no module {path!r}", "Correct the generator's activity_layer.")
    return found[0]
