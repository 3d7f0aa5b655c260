"""A pass through a teacher, with gradients and with what its inner layers give; importing it loads torch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from kdkit import KdkitError
from kdkit_generators.statistics import record_mismatch


@dataclass(frozen=True)
class TeacherPass:
    """Logits; the mismatch of batch statistics and a layer's output where they were requested, else None."""

    logits: torch.Tensor
    mismatch: torch.Tensor | None
    features: torch.Tensor | None


def run_teacher(teacher: torch.nn.Module, inputs: torch.Tensor, statistics: bool, layer: str | None) -> TeacherPass:
    """One pass; ``statistics``: with the mismatch of batch statistics; ``layer``: with the output of this module.

    Raises :class:`kdkit.KdkitError` when the teacher lacks the batch normalisation or the layer.
    """
    outputs: list[Any] = []
    with ExitStack() as stack:
        mismatch = stack.enter_context(record_mismatch(teacher)) if statistics else None
        if layer is not None:
            hook = _module(teacher, layer).register_forward_hook(lambda _m, _i, output: outputs.append(output))
            stack.callback(hook.remove)
        logits = teacher(inputs)
    return TeacherPass(logits, mismatch.total() if mismatch else None, outputs[-1] if outputs else None)


def _module(teacher: torch.nn.Module, path: str) -> torch.nn.Module:
    # An adversary sees the teacher inside a wrapper, so that its paths may have something before them.
    matches = [module for name, module in teacher.named_modules() if name == path or name.endswith(f".{path}")]
    if not matches:
        raise KdkitError(f"the teacher's network has no module {path!r}", "Correct the generator's activity_layer.")
    return matches[0]
