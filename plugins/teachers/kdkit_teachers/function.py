"""A user's code as a torch module; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from kdkit import check_logits, run_network
from kdkit_teachers.outputs import to_logits


class FunctionNetwork(torch.nn.Module):
    """Calls ``function(inputs, **arguments)``."""

    def __init__(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.arguments = dict(arguments)

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.function(inputs, **self.arguments)


class FromProbabilities(torch.nn.Module):
    """Logits of a network that returns probabilities; see :func:`kdkit_teachers.outputs.to_logits`."""

    def __init__(self, network: torch.nn.Module, activation: str) -> None:
        super().__init__()
        self.network = network
        self.activation = activation

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output = run_network(self.network, inputs)
        check_logits(output, len(inputs), "the network", "Return the probabilities of each sample as one tensor.")
        return to_logits(output, self.activation, -1)
