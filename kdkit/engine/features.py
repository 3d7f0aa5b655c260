"""Looking at what modules inside a network give out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kdkit.errors import DataError, UsageError, did_you_mean


def check_paths(network: torch.nn.Module, paths: Sequence[str], whose: str) -> None:
    """Raises :class:`UsageError` for a path that leads to no module of the network."""
    known = dict(network.named_modules())
    for path in paths:
        if path not in known:
            near = did_you_mean(path, [name for name in known if name])
            raise UsageError(f"the {whose}'s network has no module {path!r}", near[0].upper() + near[1:])


def answer_and_features(
    network: torch.nn.Module, inputs: torch.Tensor, paths: Sequence[str]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The network's answer, and by its path what each of these modules gave out on the way, float.

    Raises :class:`DataError` when one gives out anything but one tensor, once, with an axis of channels.
    """
    given: dict[str, list[Any]] = {path: [] for path in paths}
    modules = dict(network.named_modules()) if given else {}
    hooks = [
        modules[path].register_forward_hook(lambda module, arguments, output, path=path: given[path].append(output))
        for path in given
    ]
    try:
        answer = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return answer, {path: _single(path, outputs) for path, outputs in given.items()}


def _single(path: str, outputs: list[Any]) -> torch.Tensor:
    remedy = "Name a module that is used once in a pass and gives out one tensor (batch, channels, ...)."
    if len(outputs) != 1:
        raise DataError(f"the module {path!r} is used {len(outputs)} times in a pass", remedy)
    if not isinstance(outputs[0], torch.Tensor) or outputs[0].ndim < 2:
        raise DataError(f"the module {path!r} does not give out one tensor with channels", remedy)
    return outputs[0].float()
