"""Whether work is for the processor alone, which several processes can share."""

from __future__ import annotations

import torch

from kdkit.recipe.schema import FULL_PRECISION, Hardware


def is_plain_processor(hardware: Hardware) -> bool:
    """Whether the processor does the work in full precision; Lightning knows what else there is."""
    on_processor = hardware.accelerator == "cpu" or (
        hardware.accelerator == "auto" and not torch.cuda.is_available() and not torch.backends.mps.is_available()
    )
    return on_processor and hardware.settle().precision == FULL_PRECISION
