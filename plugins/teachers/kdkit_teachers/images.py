"""How samples are laid out for an image model: options that several teachers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from kdkit import ComponentOptions, Field

if TYPE_CHECKING:
    from typing import Self

ModelActivation = Literal["none", "softmax", "sigmoid"]
Layout = Literal["color", "gray", "gray-to-color", "raw"]


class ImageOptions(ComponentOptions):
    """What happens to raw samples before the model, and to its outputs after it."""

    layout: Layout = Field(
        "color",
        description="What the model takes. color: float images, channels first, from samples with channels last; "
        "gray: the same with one channel, from samples without channels; gray-to-color: the one channel three times; "
        "raw: samples exactly as they are stored, and its outputs are the answers as they are.",
    )
    frames: bool = Field(
        False, description="Samples are clips, time first, and each frame goes through the model by itself."
    )
    divisor: float = Field(255.0, gt=0, description="Raw values are divided by it, before mean and std.")
    mean: tuple[float, ...] = Field(
        (0.0,), min_length=1, description="Mean of each channel, or one for all; subtracted after the division."
    )
    std: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="Deviation of each channel, or one for all; divided by at last."
    )
    bgr: bool = Field(False, description="The model takes blue, green, red, as OpenCV reads images; samples are RGB.")
    channels_last: bool = Field(
        False, description="The model takes and gives channels on the last axis, as those of TensorFlow do."
    )
    channel: int | None = Field(
        None,
        ge=0,
        description="The output channel that is the answer, from 0: its log-odds where there are several, which are "
        "taken to exclude each other. null: all of them, on the last axis.",
    )
    output: str | int | None = Field(
        None,
        description="Name or number of the output, of a model with several; null: 'out', 'logits', or the first.",
    )
    activation: ModelActivation = Field(
        "none",
        description="What the model has already applied to its output. none: it gives logits; softmax: probabilities "
        "of classes that exclude each other; sigmoid: of each channel by itself. Logits are made of them, clipped.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if any(value == 0 for value in self.std):
            raise ValueError("std holds 0, by which values would be divided")
        names = ("divisor", "mean", "std", "channel", "frames", "bgr", "channels_last")
        untouched = all(getattr(self, name) == ImageOptions.model_fields[name].default for name in names)
        if self.layout == "raw" and not untouched:
            raise ValueError("with the layout raw nothing is scaled or rearranged: leave the other options out")
        if self.bgr and self.layout != "color":
            raise ValueError("bgr is for the layout color: other samples have no colours")
        channels = 1 if self.layout == "gray" else 3
        for name in ("mean", "std"):
            given = len(getattr(self, name))
            if given not in (1, channels):
                raise ValueError(f"{name} has {given} values, but the layout {self.layout} has {channels} channels")
        return self
