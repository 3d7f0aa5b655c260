"""A student as one TorchScript program in the layout of medical images: channels before the axes of space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kdkit.engine.stream import is_streaming
from kdkit.errors import KdkitError
from kdkit.export.job import Job, quiet, reason


def channels_first(job: Job) -> torch.jit.ScriptModule:
    """Float32 images (batch, 1, \\*sample shape) to logits (batch, channels, \\*space); as long as the student's.

    The values of an image are those of the raw inputs: rounded and clipped to the range of a type of whole numbers.
    One channel, or one for each class where classes exclude each other.
    Raises :class:`kdkit.KdkitError` when the network cannot be written so.
    """
    network, inputs = job.student.network, torch.from_numpy(job.windows)
    try:
        with quiet(), torch.no_grad():
            trace = _trace_steps if is_streaming(network) else _trace_whole
            classes_last = job.student.domain.activation == "softmax"
            return torch.jit.script(ChannelsFirst(trace(network, inputs), inputs.dtype, classes_last).eval())
    except Exception as error:  # a network fails in many ways to be a program
        raise KdkitError(f"the network cannot be written as TorchScript: {reason(error)}") from error


class ChannelsFirst(nn.Module):
    """Images with a channel, as other tools hold them, to the raw inputs of a network, and its logits back."""

    def __init__(self, network: Any, dtype: torch.dtype, classes_last: bool) -> None:
        super().__init__()
        self.network, self.dtype, self.classes_last = network, dtype, classes_last
        self.whole_numbers = not dtype.is_floating_point
        limits = torch.iinfo(dtype) if self.whole_numbers else torch.finfo(dtype)
        self.low, self.high = float(limits.min), float(limits.max)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, \\*sample shape) to (batch, channels, \\*space)."""
        inputs = image[:, 0]
        if self.whole_numbers:
            inputs = inputs.round().clamp(self.low, self.high)
        logits = self.network(inputs.to(self.dtype)).float()
        return logits.movedim(-1, 1) if self.classes_last else logits.unsqueeze(1)


class _Whole(nn.Module):
    """A network of whole samples; tracing a module of its own leaves the student's as it is."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


class _ListStep(nn.Module):
    """A step with its states in a list, of which TorchScript may have any number."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        logits, after = self.network.step(frames, states)
        return logits, list(after)


class _ListStart(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> list[Tensor]:
        return list(self.network.initial_state(frames))


class Stepwise(nn.Module):
    """A loop over the frames of clips of any length."""

    def __init__(self, start: Any, step: Any) -> None:
        super().__init__()
        self.start, self.step = start, step

    def forward(self, clips: Tensor) -> Tensor:
        """(batch, time, \\*frame shape) to the logits of every frame."""
        states = self.start(clips[:, 0])
        frames: list[Tensor] = []
        for time in range(clips.shape[1]):
            logits, states = self.step(clips[:, time], states)
            frames.append(logits)
        return torch.stack(frames, 1)


def _trace_whole(network: Any, inputs: Tensor) -> Any:
    return torch.jit.trace(_Whole(network), (inputs,), check_trace=False)


def _trace_steps(network: Any, clips: Tensor) -> Any:
    frames = clips[:, 0].contiguous()
    states = list(network.initial_state(frames))
    start = torch.jit.trace(_ListStart(network), (frames,), check_trace=False, strict=False)
    step = torch.jit.trace(_ListStep(network), (frames, states), check_trace=False, strict=False)
    return Stepwise(start, step)
