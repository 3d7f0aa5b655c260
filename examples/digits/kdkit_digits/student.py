"""The student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdkit import ComponentOptions, Field, Student

if TYPE_CHECKING:
    import torch


class DigitsSmall(Student):
    """The teacher's architecture with fewer channels: 16 290 weights of the teacher's 60 522."""

    inputs = "(batch, 8, 8) uint8, 0..255: a grayscale digit, bright on dark"

    class Options(ComponentOptions):
        first: int = Field(16, ge=1, description="Channels of the first convolution.")
        second: int = Field(24, ge=1, description="Channels of the second convolution.")
        hidden: int = Field(32, ge=1, description="Width of the hidden linear layer.")

    def build(self) -> torch.nn.Module:
        from kdkit_digits.networks import DigitNetwork

        return DigitNetwork(self.options.first, self.options.second, self.options.hidden)
