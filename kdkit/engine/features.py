"""Looking at what modules inside a network give out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kdkit.engine.guard import run_network
from kdkit.errors import DataError, UsageError, did_you_mean


def check_paths(network: torch.nn.Module, paths: Sequence[str], whose: str) -> None:
    """Raises :class:`UsageError` for a path that leads to no module of the network."""
    known = dict(network.named_modules())
    for path in paths:
        if path not in known:
            near = did_you_mean(path, [name for name in known if name])
            raise UsageError(f"the {whose}'s network has no module {path!r}", near[0].upper() + near[1:])


def logits_and_features(
    network: torch.nn.Module, inputs: torch.Tensor, paths: Sequence[str]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The network's answer, and by its path what each of these modules gave out on the way, float.

    A network with a method ``gather_features`` puts together itself what a module gave out. Raises :class:`DataError`
    when one gives out anything but one tensor, once or gathered into one, with an axis of channels.
    """
    given: dict[str, list[Any]] = {path: [] for path in paths}
    modules = dict(network.named_modules()) if given else {}
    hooks = [
        modules[path].register_forward_hook(lambda module, arguments, output, path=path: given[path].append(output))
        for path in given
    ]
    try:
        answer = run_network(network, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    gather = getattr(network, "gather_features", None)
    return answer, {path: _features(path, outputs, inputs, gather) for path, outputs in given.items()}


def _features(path: str, outputs: list[Any], inputs: torch.Tensor, gather: Any) -> torch.Tensor:
    remedy = "Name a module that is used once in a pass and gives out one tensor (batch, channels, ...)."
    if not all(isinstance(output, torch.Tensor) and output.ndim > 1 for output in outputs):
        raise DataError(f"the module {path!r} does not give out one tensor with channels", remedy)
    if gather is not None and outputs:
        return gather(outputs, inputs).float()
    if len(outputs) != 1:
        raise DataError(f"the module {path!r} is used {len(outputs)} times in a pass", remedy)
    return outputs[0].float()
