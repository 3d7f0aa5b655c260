"""Bringing feature maps to one size; importing it loads torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(features: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """(batch, channels, \\*old size) at ``size``, by linear interpolation along one to three axes."""
    if tuple(features.shape[2:]) == tuple(size):
        return features
    return F.interpolate(features, tuple(size), mode=MODES[len(size)], align_corners=False)
