"""What teachers of images have in common: which other readings of their model there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from kdkit import Teacher
from kdkit_teachers.images import ModelActivation

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Of one channel: the mean of ImageNet's three.
IMAGENET_GRAY_MEAN = (0.449,)
IMAGENET_GRAY_STD = (0.226,)
# Of EchoNet-Dynamic's training frames, 0..255 (Ouyang et al., Nature 2020;580:252-256).
ECHONET_MEAN = (32.085175, 32.591923, 33.37932)
ECHONET_STD = (50.129288, 50.487717, 51.34619)
# The model's channels that are tried in place of the chosen one.
TRIED_CHANNELS = 4


class ImageTeacher(Teacher):
    """A model behind :class:`kdkit_teachers.images.ImageOptions`; ``build`` gives a :class:`.networks.Adapted`."""

    def model_outputs(
        self, network: torch.nn.Module, inputs: torch.Tensor
    ) -> Mapping[str, tuple[torch.Tensor, int | None]]:
        """The chosen output of the model, where it is read as logits."""
        if self.options.activation != "none":
            return {}
        raw: Any = network
        return {"teacher": (raw.sample_outputs(inputs), None if self.options.layout == "raw" else 1)}

    def alternatives(self) -> Mapping[str, Teacher]:
        """Other activations, channels, orders of colours, and the normalisations that are most used."""
        own = self.options.model_dump()
        alternatives = {}
        for changes in self._changes():
            if any(own[name] != value for name, value in changes.items()):
                setting = " ".join(f"teacher.{name}={_show(value)}" for name, value in changes.items())
                alternatives[setting] = type(self)(self.options.model_copy(update=changes))
        return alternatives

    def _changes(self) -> Iterator[dict[str, Any]]:
        for activation in get_args(ModelActivation):
            yield {"activation": activation}
        if self.options.layout == "raw":
            return
        if self.options.channel is not None:
            for channel in range(TRIED_CHANNELS):
                yield {"channel": channel}
        yield {"channels_last": not self.options.channels_last}
        if self.options.layout == "color":
            yield {"bgr": not self.options.bgr}
        gray = self.options.layout == "gray"
        imagenet = (IMAGENET_GRAY_MEAN, IMAGENET_GRAY_STD) if gray else (IMAGENET_MEAN, IMAGENET_STD)
        echonet = (ECHONET_MEAN[:1], ECHONET_STD[:1]) if gray else (ECHONET_MEAN, ECHONET_STD)
        for divisor, mean, std in (
            (255.0, (0.0,), (1.0,)),
            (255.0, *imagenet),
            (255.0, (0.5,), (0.5,)),
            (1.0, (0.0,), (1.0,)),
            (1.0, *echonet),
        ):
            yield {"divisor": divisor, "mean": mean, "std": std}


def _show(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value).lower()
