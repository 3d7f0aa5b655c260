"""What the teacher ``callable`` is tried out with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def brightness(inputs: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Calls every value brighter than a share of full brightness foreground: logits in the shape of the inputs."""
    return 20 * (inputs.float() / 255 - threshold)
