"""The preprocessing around a model; imported only when a teacher is built."""

from __future__ import annotations

import torch

from kdkit import DataError, describe_value, run_network
from kdkit_teachers.images import ImageOptions
from kdkit_teachers.outputs import choose_output, to_logits

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
            return self._infer(inputs)
        if inputs.ndim < 3:
            raise DataError(f"samples of shape {tuple(inputs.shape[1:])} are no clips", "Set teacher.frames=false.")
        return self._infer(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])

    def sample_outputs(self, inputs: torch.Tensor) -> torch.Tensor:
        """The chosen output for raw samples, as the model gives it: (images, channels, ...)."""
        images = inputs.flatten(0, 1) if self.options.frames else inputs
        parts = images.split(self.batch or CHUNK)
        return torch.cat([self.outputs(self.prepare(part)) for part in parts])

    def _infer(self, images: torch.Tensor) -> torch.Tensor:
        parts = images.split(self.batch or CHUNK)
        return torch.cat([self._arrange(self.outputs(self.prepare(part))) for part in parts])

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """What the model takes, from raw images."""
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
        images = images.flip(-1) if self.options.bgr else images
        channels = images.movedim(-1, 1) if layout == "color" else images[:, None]
        scaled = channels.to(self.mean.dtype) / self.options.divisor
        coloured = scaled.expand(-1, 3, -1, -1) if layout == "gray-to-color" else scaled
        normalised = coloured.sub(self.mean).div(self.std)
        return normalised.movedim(1, -1) if self.options.channels_last else normalised

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        """The chosen output for prepared images, as the model gives it: (images, channels, ...).

        The batch is filled up where its size is fixed.
        """
        missing = (self.batch or len(images)) - len(images)
        full = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])]) if missing else images
        remedy = (
            f"teacher.layout is {self.options.layout}: set layout, frames and channels_last as the model was "
            "trained, or export the model for inputs of such a shape."
        )
        given = run_network(self.network, full, "the model", remedy)
        output = choose_output(given, self.options.output, len(full))[: len(images)]
        return output.movedim(-1, 1) if self.options.channels_last and output.ndim > 2 else output

    def _arrange(self, outputs: torch.Tensor) -> torch.Tensor:
        """(images, channels, ...) to logits (images, ..., channels), or to those of one channel, (images, ...)."""
        wanted, activation = self.options.channel, self.options.activation
        if self.options.layout == "raw":
            return to_logits(outputs, activation, -1)
        if outputs.ndim < 2:
            raise DataError(
                f"the model gives {describe_value(outputs)}: one value for each image, without an axis of channels",
                "Export the layer before, with one channel for each class.",
            )
        logits = to_logits(outputs, activation, 1)
        if wanted is None:
            return logits.movedim(1, -1)
        if wanted >= logits.shape[1]:
            raise DataError(f"there is no output channel {wanted} of {logits.shape[1]}", "Set teacher.channel.")
        if logits.shape[1] == 1 or activation == "sigmoid":
            return logits[:, wanted]
        others = torch.cat([logits[:, :wanted], logits[:, wanted + 1 :]], 1)
        return logits[:, wanted] - others.logsumexp(1)
