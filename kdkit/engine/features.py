"""Looking at what modules inside a network give out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kdkit.engine.guard import read_logits, run_network, title_of_network
from kdkit.errors import DataError, UsageError, did_you_mean


def check_paths(network: torch.nn.Module, paths: Sequence[str], owner: str) -> None:
    """Raises :class:`UsageError` for a path that leads to no module of the network."""
    modules = dict(network.named_modules())
    for path in paths:
        if path not in modules:
            suggestion = did_you_mean(path, [name for name in modules if name])
            raise UsageError(f"the {owner}'s network has no module {path!r}", suggestion[0].upper() + suggestion[1:])


def logits_and_features(
    network: torch.nn.Module, inputs: torch.Tensor, paths: Sequence[str]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The network's logits, and by its path the output of each of these modules in that pass, float.

    A network with a method ``gather_features`` puts together itself what a module gave out. Raises :class:`DataError`
    when one gives out anything but one tensor, once or gathered into one, with an axis of channels.
    """
    outputs: dict[str, list[Any]] = {path: [] for path in paths}
    modules = dict(network.named_modules()) if outputs else {}
    hooks = [
        modules[path].register_forward_hook(lambda module, arguments, output, path=path: outputs[path].append(output))
        for path in outputs
    ]
    try:
        logits, _ = read_logits(run_network(network, inputs), len(inputs), title_of_network(network))
    finally:
        for hook in hooks:
            hook.remove()
    gather = getattr(network, "gather_features", None)
    return logits, {path: _features(path, calls, inputs, gather) for path, calls in outputs.items()}


def _features(path: str, outputs: list[Any], inputs: torch.Tensor, gather: Any) -> torch.Tensor:
    remedy = "Name a module that is used once in a pass and gives out one tensor (batch, channels, ...)."
    if not all(isinstance(output, torch.Tensor) and output.ndim > 1 for output in outputs):
        raise DataError(f"the module {path!r} does not give out one tensor with channels", remedy)
    if gather is not None and outputs:
        return gather(outputs, inputs).float()
    if len(outputs) != 1:
        raise DataError(f"the module {path!r} is used {len(outputs)} times in a pass", remedy)
    return outputs[0].float()
