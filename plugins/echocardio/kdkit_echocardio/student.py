"""The ConvLSTM student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from kdkit import ComponentOptions, Field, InputFile, Student, load_weights

if TYPE_CHECKING:
    from typing import Self

    import torch


class ConvLSTM(Student):
    """A U-shaped network of ConvLSTM layers (Shi et al., arXiv:1506.04214) that reads clips forward in time.

    "paper" is the student of EchoDFKD (Petit et al., WACV 2025, arXiv:2409.07566); "default" learns faster and
    generalises better from few clips: a U-Net (Ronneberger et al., arXiv:1505.04597) with a recurrent coarsest level.
    """

    version = "2"
    inputs = "(batch, time, H, W) uint8, 0..255, grayscale ultrasound clips; any length and frame size"
    dynamic_axes: ClassVar[Mapping[int, str]] = {0: "batch", 1: "time", 2: "height", 3: "width"}

    class Options(ComponentOptions):
        """Which network, and how large."""

        variant: Literal["default", "paper"] = Field(
            "default", description="Network: default (U-Net with skips), or paper (EchoDFKD's, weight for weight)."
        )
        blocks: int = Field(4, ge=1, le=4, description="Levels of resolution, each half as fine as the one before.")
        layers: int = Field(1, ge=1, le=4, description="ConvLSTM layers in turn, at each recurrent level.")
        width: int = Field(12, ge=1, le=128, description="Channels of the finest level; coarser levels have more.")
        views: bool = Field(
            False,
            description="Train the default network on clips flipped, turned, scaled and shifted at random, for few.",
        )
        weights: InputFile | None = Field(
            None,
            description="Weights to start from, of a network of the same options: a student of kdkit's, or, for the "
            "paper variant, a published Lightning checkpoint. None: random ones.",
        )

        @model_validator(mode="after")
        def _views_fit(self) -> Self:
            if self.views and self.variant == "paper":
                raise ValueError("the paper's network has no views; set views=false or variant=default")
            return self

    def files(self) -> Sequence[Path]:
        return [self.options.weights] if self.options.weights else []

    def build(self) -> torch.nn.Module:
        """The network, with the weights of the options where they name some.

        Raises :class:`kdkit.WeightsError` when these do not fit.
        """
        from .networks.paper import PaperConvLSTM
        from .networks.unet import ConvLSTMUNet

        options = self.options
        size = options.blocks, options.layers, options.width
        network = PaperConvLSTM(*size) if options.variant == "paper" else ConvLSTMUNet(*size, views=options.views)
        if self.options.weights:
            load_weights(network, self.options.weights)
        return network
