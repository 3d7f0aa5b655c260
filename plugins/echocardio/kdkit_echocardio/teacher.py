"""The DeepLabV3 teacher."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from pydantic import field_validator, model_validator

from kdkit import ComponentOptions, Field, InputFile, Teacher, load_weights

if TYPE_CHECKING:
    from typing import Self

    import torch

Colour = tuple[float, float, float]
Backbone = Literal["resnet50", "resnet101", "mobilenet_v3_large", "compact", "temporal"]

EMBEDDED = Path(__file__).parent / "weights" / "deeplabv3_compact.safetensors"
EMBEDDED_FOR_CLIPS = EMBEDDED.with_name("deeplabv3_temporal.safetensors")

# Of EchoNet-Dynamic's training frames, RGB 0..255 (Ouyang et al., Nature 2020;580:252-256).
MEAN = (32.085175, 32.591923, 33.37932)
DEVIATION = (50.129288, 50.487717, 51.34619)

# The usual ones, of 0..255: EchoNet-Dynamic's, ImageNet's, to 0..1, to -1..1, and none.
NORMALISATIONS: tuple[tuple[Colour, Colour], ...] = (
    (MEAN, DEVIATION),
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
# Channels that are tried in place of the chosen one.
TRIED_CHANNELS = 4

# Frames that go through the network at once: bounds the memory, whatever the length of a clip.
CHUNK = 32


class DeepLabV3(Teacher):
    """DeepLabV3 (Chen et al., arXiv:1706.05587) for the left ventricle.

    Without ``weights`` it is an embedded network, trained on simulated clips alone: "compact", frame by frame, or
    "temporal", which sees the frames of a clip together. With ``weights`` it is a network of torchvision's layout,
    frame by frame, the defaults fit EchoNet-Dynamic's release file ``deeplabv3_resnet50_random.pt``; or one like
    "temporal".
    Published models of the same family differ in backbone, number and meaning of channels, and normalisation: each is
    an option.
    """

    class Options(ComponentOptions):
        """Which network, and what its channels mean."""

        weights: InputFile | None = Field(
            None,
            description="Weights file, for example EchoNet-Dynamic's deeplabv3_resnet50_random.pt: .safetensors, or "
            "a torch file with the state dict bare or under 'state_dict', keys with or without the prefix 'module.'. "
            "None: those embedded for the backbone compact or temporal.",
        )
        backbone: Backbone | None = Field(
            None,
            description=f"Backbone: {', '.join(get_args(Backbone))}; temporal is compact, for whole clips. None: "
            "compact without weights, resnet50 with.",
        )
        channels: int = Field(1, ge=1, le=256, description="Output channels: 1 for a mask, more for classes.")
        foreground: int = Field(0, ge=0, description="The output channel that means left ventricle, from 0.")
        activation: Literal["softmax", "sigmoid"] = Field(
            "softmax",
            description="How several channels are meant: softmax if classes exclude each other, sigmoid if each is a "
            "mask of its own.",
        )
        mean: Colour = Field(
            MEAN,
            description="Subtracted from red, green and blue, 0..255; EchoNet-Dynamic's. For a network trained on "
            "0..1, multiply its own by 255.",
        )
        deviation: Colour = Field(DEVIATION, description="What red, green and blue are then divided by, as for mean.")
        median: int = Field(
            1,
            ge=1,
            le=15,
            description="Of how many frames around each the median of its probabilities is taken, an odd number; 1 "
            "takes each frame as it is.",
        )
        certainty: float = Field(
            0.0,
            ge=0,
            le=1,
            description="Frames are not learnt from whose mask is less certain: the DICE that the frame's own "
            "probabilities expect of it, after the median. 0 leaves none out.",
        )

        @field_validator("median")
        @classmethod
        def _odd(cls, frames: int) -> int:
            if frames % 2 == 0:
                raise ValueError("an odd number of frames: one, and as many before as after it")
            return frames

        @field_validator("deviation")
        @classmethod
        def _positive(cls, deviation: Colour) -> Colour:
            if min(deviation) <= 0:
                raise ValueError("numbers above 0")
            return deviation

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            if self.weights is None and (self.backbone not in (None, "compact", "temporal") or self.channels != 1):
                raise ValueError("only compact and temporal with 1 channel are embedded; any other needs weights")
            if self.backbone == "temporal" and self.channels != 1:
                raise ValueError("temporal has 1 channel")
            if self.foreground >= self.channels:
                raise ValueError(f"foreground is {self.foreground}, but channels are numbered 0..{self.channels - 1}")
            return self

    def example_inputs(self) -> np.ndarray:
        """Two short simulated clips."""
        from .generator import Phantom

        return np.stack([clip.inputs for clip in Phantom(Phantom.Options(frames=8)).generate(range(2))])

    def files(self) -> Sequence[Path]:
        """The weights file, also when it is the embedded one."""
        return [self.options.weights or self._embedded()]

    def promise(self, metric: str) -> float | None:
        """The DICE on simulated hearts in the card of the embedded weights."""
        if self.options.weights is not None or metric != "dice":
            return None
        card = json.loads(self._embedded().with_suffix(".json").read_text(encoding="utf-8"))
        return float(card["held_out_phantoms"]["dice_mean"])

    def alternatives(self) -> Mapping[str, Teacher]:
        """Other channels, another meaning of theirs, and the normalisations that are most used."""
        options = self.options
        changes: list[dict[str, Any]] = [
            {"mean": mean, "deviation": deviation}
            for mean, deviation in NORMALISATIONS
            if (mean, deviation) != (options.mean, options.deviation)
        ]
        others = [channel for channel in range(options.channels) if channel != options.foreground]
        changes += [{"foreground": channel} for channel in others[:TRIED_CHANNELS]]
        if options.channels > 1:
            changes.append({"activation": "sigmoid" if options.activation == "softmax" else "softmax"})
        return {
            " ".join(f"teacher.{name}={_show(value)}" for name, value in change.items()): type(self)(
                options.model_copy(update=change)
            )
            for change in changes
        }

    def build(self) -> torch.nn.Module:
        """The network: raw grey clips (B, T, H, W), 0..255, to logits float (B, T, H, W).

        With ``median`` or ``certainty`` they come with their weights. Raises :class:`kdkit.WeightsError` when the
        weights are unreadable or those of another architecture.
        """
        options = self.options
        network = self._build_network()
        if options.median == 1 and options.certainty == 0:
            return network
        from .smoothed import Smoothed

        return Smoothed(network, options.median, options.certainty)

    def _build_network(self) -> torch.nn.Module:
        from .framewise import Framewise
        from .networks.deeplab import build

        options, backbone = self.options, self._backbone()
        if backbone == "temporal":
            return self._build_temporal()
        network = build(backbone, options.channels)
        # Some are published with the auxiliary head of their training, which is not used.
        load_weights(network, self.files()[0], ignored="aux_classifier.")
        exclusive = options.activation == "softmax"
        return Framewise(network, options.mean, options.deviation, options.foreground, CHUNK, exclusive)

    def _build_temporal(self) -> torch.nn.Module:
        from .clipwise import Clipwise
        from .networks.temporal import TemporalDeepLabV3

        network = TemporalDeepLabV3()
        load_weights(network, self.files()[0])
        # Its clips are grey: what is meant for three channels is averaged.
        return Clipwise(network, sum(self.options.mean) / 3, sum(self.options.deviation) / 3)

    def _embedded(self) -> Path:
        return EMBEDDED_FOR_CLIPS if self.options.backbone == "temporal" else EMBEDDED

    def _backbone(self) -> Backbone:
        return self.options.backbone or ("resnet50" if self.options.weights else "compact")


def _show(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
