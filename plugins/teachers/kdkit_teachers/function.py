"""A function as a torch module; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


class FunctionNetwork(torch.nn.Module):
    """Calls ``function(inputs, **arguments)``."""

    def __init__(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.arguments = dict(arguments)

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.function(inputs, **self.arguments)
