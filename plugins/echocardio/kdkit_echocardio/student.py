"""The ConvLSTM student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import FilePath

from kdkit import ComponentOptions, Field, Student, load_weights

if TYPE_CHECKING:
    import torch


class ConvLSTM(Student):
    """A U-shaped network of convolutional LSTM layers that reads a clip forward in time.

    "paper" is the student of EchoDFKD (Petit et al., WACV 2025); "default" learns faster and generalises better from
    few clips: a U-Net with skips whose coarsest level is recurrent.
    """

    version = "2"
    inputs = "(batch, time, H, W) uint8, 0..255, grayscale ultrasound clips; any length and frame size"

    class Options(ComponentOptions):
        """Which network, and how large."""

        variant: Literal["default", "paper"] = Field(
            "default", description="Network: default (U-Net with skips), or paper (EchoDFKD's, weight for weight)."
        )
        blocks: int = Field(4, ge=1, le=4, description="Levels of resolution, each half as fine as the one before.")
        layers: int = Field(1, ge=1, le=4, description="ConvLSTM layers in turn, at each recurrent level.")
        width: int = Field(12, ge=1, le=128, description="Channels of the finest level; coarser levels have more.")
        weights: FilePath | None = Field(
            None,
            description="Weights to start from, of a network of the same options: a student of kdkit's, or, for the "
            "paper variant, a published Lightning checkpoint. None: random ones.",
        )

    def files(self) -> Sequence[Path]:
        return [self.options.weights] if self.options.weights else []

    def build(self) -> torch.nn.Module:
        """The network, with the weights of the options where they name some.

        Raises :class:`kdkit.WeightsError` when these do not fit.
        """
        from .networks.paper import PaperConvLSTM
        from .networks.unet import ConvLSTMUNet

        network_class = PaperConvLSTM if self.options.variant == "paper" else ConvLSTMUNet
        network = network_class(self.options.blocks, self.options.layers, self.options.width)
        if self.options.weights:
            load_weights(network, self.options.weights)
        return network
