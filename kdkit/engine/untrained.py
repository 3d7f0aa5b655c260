"""A trained network with its weights drawn anew."""

from __future__ import annotations

import torch


def draw_weights(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """The network, changed in place: every weight as it is before any training.

    A module draws its own (``reset_parameters``, as torch's do). The weights of one that does not are shuffled: they
    keep their values, and lose what they mean. The random state of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                continue
            for weight in module.parameters(recurse=False):
                weight.copy_(weight.flatten()[torch.randperm(weight.numel())].view_as(weight))
    return network
