"""Convolutional LSTM layers, and what networks of them share.

Inside a network the frames of a batch lie in one axis, time-major: (time * batch, channels, height, width). Every
convolution then runs once over all frames, and only the recurrence itself steps through time. All recurrences go
forward in time, so in evaluation mode the logits of a frame depends on no later frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .recurrence import continue_steps, run_steps

# Steps whose gates are computed at once: bounds the memory that a long clip takes.
CHUNK = 32


class ConvLSTMCell(nn.Module):
    """The gates of one ConvLSTM layer (Shi et al. 2015, without peepholes).

    One convolution over [input, hidden] gives, in this order, the input, forget and output gates and the candidate.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        self.conv = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1)

    def from_inputs(self, frames: Tensor) -> Tensor:
        """The inputs' share of the gates, for any number of frames at once."""
        return F.conv2d(frames, self.conv.weight[:, : self.inputs], self.conv.bias, padding=1)

    @property
    def recurrent_weight(self) -> Tensor:
        """The share of the weights that the hidden state is convolved with, (4 * hidden, hidden, 3, 3)."""
        return self.conv.weight[:, self.inputs :]

    def from_hidden(self, hidden: Tensor) -> Tensor:
        """The hidden state's share of the gates."""
        return F.conv2d(hidden, self.recurrent_weight, None, padding=1)

    def step(self, gates: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """The new hidden state and memory; no memory means zeros."""
        doors, candidate = gates.split([3 * self.hidden, self.hidden], 1)
        enter, keep, leave = doors.sigmoid().chunk(3, 1)
        fresh = enter * candidate.tanh()
        memory = fresh if memory is None else keep * memory + fresh
        return leave * memory.tanh(), memory


class Memory:
    """The states of a network's ConvLSTM layers, two a layer, in the order in which the layers are called.

    ``before``: hidden state and memory after the frame before. ``after``: those that the layers leave behind.
    """

    def __init__(self, before: Sequence[Tensor]) -> None:
        self.before = list(before)
        self.after: list[Tensor] = []


class ConvLSTMLayer(nn.Module):
    """A ConvLSTM layer over time-major frames; states start at zero, or as a :class:`Memory` has them."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(inputs, hidden)

    def forward(self, frames: Tensor, steps: int, states: Memory | None = None) -> Tensor:
        """(steps * batch, inputs, H, W) to (steps * batch, hidden, H, W)."""
        if states is not None:
            return self._step(frames, states)
        if self.training:
            return run_steps(self.cell.from_inputs(frames), self.cell.recurrent_weight, steps)
        # Nothing is recorded there, so that a step may overwrite what it is given; exporters trace without it.
        if torch.is_inference_mode_enabled():
            return self._infer(frames, steps)
        hidden: Tensor | None = None
        memory: Tensor | None = None
        outputs = []
        batch = len(frames) // steps
        for chunk in frames.split(CHUNK * batch):
            for gates in self.cell.from_inputs(chunk).split(batch):
                if hidden is not None:
                    gates = gates + self.cell.from_hidden(hidden)
                hidden, memory = self.cell.step(gates, memory)
                outputs.append(hidden)
        return torch.cat(outputs)

    def _infer(self, frames: Tensor, steps: int) -> Tensor:
        batch, outputs = len(frames) // steps, list[Tensor]()
        last: tuple[Tensor, Tensor] | None = None
        for chunk in frames.split(CHUNK * batch):
            gates, before = self.cell.from_inputs(chunk).split(batch), last
            for hidden, memory in continue_steps(gates, self.cell.recurrent_weight, before):
                outputs.append(hidden)
                last = hidden, memory
        return torch.cat(outputs)

    def _step(self, frames: Tensor, states: Memory) -> Tensor:
        """One frame of each clip; without loops over tensors, so that exporters see one graph for any size."""
        hidden, memory = states.before.pop(0), states.before.pop(0)
        gates = self.cell.from_inputs(frames) + self.cell.from_hidden(hidden)
        hidden, memory = self.cell.step(gates, memory)
        states.after += [hidden, memory]
        return hidden


class PerFrame(nn.Module):
    """A layer without memory, called like the recurrent ones."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, frames: Tensor, steps: int, states: Memory | None = None) -> Tensor:
        return self.layer(frames)


class Layers(nn.Module):
    """Layers one after the other, recurrent or not (their name is that of published checkpoints)."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.conv_lstm_layers = nn.ModuleList(layers)

    def forward(self, frames: Tensor, steps: int, states: Memory | None = None) -> Tensor:
        for layer in self.conv_lstm_layers:
            frames = layer(frames, steps, states)
        return frames


def frames_of(clips: Tensor) -> Tensor:
    """(batch, time, H, W) of any type to time-major frames (time * batch, 1, H, W), float32."""
    return clips.transpose(0, 1).flatten(0, 1).unsqueeze(1).float()


def initial_states(frames: Tensor, channels: int, stride: int, shrinkage: int) -> list[Tensor]:
    """Hidden state and memory, zeros, of a layer before the first of the frames (batch, H, W).

    ``stride``: the multiple that frames are padded to; ``shrinkage``: how many times smaller the layer sees them.
    """
    batch, height, width = frames.shape
    scale = stride // shrinkage
    shape = batch, channels, (height + stride - 1) // stride * scale, (width + stride - 1) // stride * scale
    return [torch.zeros(shape, device=frames.device) for _ in range(2)]


def clips_of(frames: Tensor, clips: Tensor) -> Tensor:
    """The inverse of :func:`frames_of`, cropped to the size of ``clips``."""
    batch, steps, height, width = clips.shape
    return frames.squeeze(1).unflatten(0, (steps, batch)).transpose(0, 1)[..., :height, :width]


def features_of(outputs: list[Tensor], clips: Tensor) -> Tensor:
    """What a module gave out for time-major frames, as (batch * time, channels, H, W), each clip's frames in turn."""
    batch, steps = clips.shape[:2]
    return torch.cat(outputs).unflatten(0, (steps, batch)).transpose(0, 1).flatten(0, 1)


def pad_to_multiple(frames: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of ``stride``."""
    height, width = frames.shape[-2:]
    return F.pad(frames, (0, -width % stride, 0, -height % stride), mode="replicate")
