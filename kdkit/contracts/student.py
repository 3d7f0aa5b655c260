"""The contract of a student."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from kdkit.contracts.component import Component

if TYPE_CHECKING:
    import numpy as np
    import torch


class Student(Component, ABC):
    """A network to be trained on a teacher's targets, and kept.

    ``inputs`` says in one line what the network takes: shape, dtype, range and meaning. It goes into the card that
    lies beside the weights.
    ``dynamic_axes``: the axes of the network's input that may have any length, by number, with a name each; axis 0 is
    the batch. An exported student takes every length of these, and of the other axes the one that it was trained on.

    Example::

        class Linear(Student):
            '''One linear layer on the pixels of an 8x8 image.'''

            inputs = "(batch, 8, 8) uint8, 0..255, grayscale"

            def build(self):
                import torch

                class Network(torch.nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.layer = torch.nn.Linear(64, 10)

                    def forward(self, inputs):
                        return self.layer(inputs.flatten(1).float() / 255)

                return Network()
    """

    kind: ClassVar[str] = "student"
    inputs: ClassVar[str]
    dynamic_axes: ClassVar[Mapping[int, str]] = MappingProxyType({0: "batch"})

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A new network, on the CPU, with random weights drawn from torch's global generator.

        Its ``forward`` takes a batch of raw inputs, (batch, \\*sample shape), normalises them itself, and returns
        logits in the teacher's shape, (batch, \\*output shape), float.

        A network whose axis 1 is time, and that looks at no later frame, may have two more methods, which let it
        segment a stream frame by frame. ``initial_state(frames)`` gives, for frames (batch, \\*frame shape) as they
        are in the input, a sequence of float tensors of zeros, (batch, ...). ``step(frames, state)`` gives the
        frames' logits, (batch, \\*output shape without time), and the next state, in the shapes of the one before;
        step by step they are the logits of ``forward`` on the whole clip, in evaluation mode.
        """

    def export_obstacle(self, form: str) -> str:
        """Why the network cannot be exported in a form ("onnx", "torch-export", ...); "" where it can be tried.

        For what an author knows beforehand: every exported file is compared with the network anyway.
        """
        return ""

    def example_inputs(self) -> np.ndarray | None:
        """Two or more raw inputs, (batch, \\*sample shape), to try the network out with.

        Needed by ``kdkit plugins verify`` only where no domain's default recipe says what the network is fed with.
        """
        return None
