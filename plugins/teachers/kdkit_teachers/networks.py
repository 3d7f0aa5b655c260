"""The preprocessing around a model; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from kdkit import DataError
from kdkit_teachers.images import ImageOptions

# Images that go through the model at once: bounds the memory, whatever the length of a clip.
CHUNK = 32


class Adapted(torch.nn.Module):
    """A model behind raw samples, (batch, \\*sample shape) of any real dtype; see :class:`ImageOptions`.

    ``batch``: how many images the model takes at once, where that is fixed.
    Answers logits (batch, \\*answer shape); with ``frames`` time comes right after the batch. Raises
    :class:`kdkit.DataError` when the samples have other axes, or the model does not give the output.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: torch.nn.Module, options: ImageOptions, batch: int | None = None) -> None:
        super().__init__()
        self.network = network
        self.options = options
        self.batch = batch
        self.register_buffer("mean", torch.tensor(options.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(options.std).view(-1, 1, 1), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.options.frames:
            return self._answers(inputs)
        if inputs.ndim < 3:
            raise DataError(f"samples of shape {tuple(inputs.shape[1:])} are no clips", "Set teacher.frames=false.")
        return self._answers(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])

    def _answers(self, images: torch.Tensor) -> torch.Tensor:
        parts = images.split(self.batch or CHUNK)
        return torch.cat([self._arranged(self._asked(self._prepared(part))) for part in parts])

    def _prepared(self, images: torch.Tensor) -> torch.Tensor:
        layout = self.options.layout
        if layout == "raw":
            return images
        axes = 4 if layout == "color" else 3
        if images.ndim != axes or (layout == "color" and images.shape[-1] != 3):
            wanted = {4: "(height, width, 3)", 3: "(height, width)"}[axes]
            raise DataError(
                f"the layout {layout} takes images {wanted}, not {tuple(images.shape[1:])}",
                "Set teacher.layout, or teacher.frames for clips.",
            )
        channels = images.movedim(-1, 1) if layout == "color" else images[:, None]
        scaled = channels.to(self.mean.dtype) / self.options.divisor
        return (scaled.expand(-1, 3, -1, -1) if layout == "gray-to-color" else scaled).sub(self.mean).div(self.std)

    def _asked(self, images: torch.Tensor) -> torch.Tensor:
        """The chosen output for these images, the batch filled up where its size is fixed."""
        missing = (self.batch or len(images)) - len(images)
        full = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])]) if missing else images
        return chosen_output(self.network(full), self.options.output)[: len(images)]

    def _arranged(self, outputs: torch.Tensor) -> torch.Tensor:
        """(images, channels, ...) to (images, ..., channels), or to the log-odds of one channel, (images, ...)."""
        wanted = self.options.channel
        if self.options.layout == "raw":
            return outputs
        if wanted is None:
            return outputs.movedim(1, -1)
        if wanted >= outputs.shape[1]:
            raise DataError(f"there is no output channel {wanted} of {outputs.shape[1]}", "Set teacher.channel.")
        if outputs.shape[1] == 1:
            return outputs[:, 0]
        others = torch.cat([outputs[:, :wanted], outputs[:, wanted + 1 :]], 1)
        return outputs[:, wanted] - others.logsumexp(1)


def chosen_output(outputs: Any, wanted: str | int | None) -> torch.Tensor:
    """The tensor among a model's outputs; raises :class:`kdkit.DataError` when there is none by that name."""
    found = outputs
    if not isinstance(outputs, torch.Tensor):
        named = isinstance(outputs, Mapping)
        keys = list(outputs) if named else list(range(len(outputs)))
        key = wanted if wanted is not None else "out" if "out" in keys else keys[0]
        if key not in keys:
            raise DataError(f"the model has no output {key!r}; it has {', '.join(map(str, keys))}")
        found = outputs[key]
    if not isinstance(found, torch.Tensor):
        raise DataError(
            f"the model's output is {type(found).__name__}, not a tensor", "Choose one with teacher.output."
        )
    return found
