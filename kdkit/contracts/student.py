"""The contract of a student."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from kdkit.contracts.component import Component

if TYPE_CHECKING:
    import numpy as np
    import torch


class Student(Component, ABC):
    """A network to be trained on a teacher's targets, and kept.

    ``inputs`` says in one line what the network takes: shape, dtype, range and meaning. It goes into the card that
    lies beside the weights.

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

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A new network, on the CPU, with random weights drawn from torch's global generator.

        Its ``forward`` takes a batch of raw inputs, (batch, \\*sample shape), normalises them itself, and returns
        logits in the teacher's shape, (batch, \\*output shape), float.
        """

    def example_inputs(self) -> np.ndarray | None:
        """Two or more raw inputs, (batch, \\*sample shape), to try the network out with.

        Needed by ``kdkit plugins verify`` only where no domain's default recipe says what the network is fed with.
        """
        return None
