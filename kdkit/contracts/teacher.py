"""The contract of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from kdkit.contracts.component import Component

if TYPE_CHECKING:
    import numpy as np
    import torch


class Teacher(Component, ABC):
    """A trained model that is asked for answers and never trained.

    ``gradients``: whether the network that :meth:`build` gives runs in this very process, so that gradients flow from
    its answers back to its inputs, and what its modules give out can be looked at. False for a model that only
    answers (behind a network connection, in another runtime). Adversaries, inversion and objectives on features need
    one that does, and refuse any other before anything runs.

    Example::

        class Brightness(Teacher):
            '''Calls every pixel brighter than a threshold foreground.'''

            class Options(ComponentOptions):
                threshold: float = Field(0.5, ge=0, le=1, description="Share of full brightness.")

            def build(self):
                import torch

                threshold = self.options.threshold

                class Network(torch.nn.Module):
                    def forward(self, inputs):
                        return 20 * (inputs.float() / 255 - threshold)

                return Network()
    """

    kind: ClassVar[str] = "teacher"
    gradients: ClassVar[bool] = True

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """The network with its weights, on the CPU.

        Its ``forward`` takes a batch of raw inputs as the generator made them, (batch, \\*sample shape), normalises
        them itself, and returns logits, (batch, \\*answer shape), float. The engine puts it into evaluation mode,
        freezes it and moves it to a device. Where it has ``gradients``, ``forward`` takes float inputs in the range of
        the raw ones, too, and is differentiable in them. Raises :class:`kdkit.WeightsError` when the weights do not
        fit.
        """

    def example_inputs(self) -> np.ndarray | None:
        """Two or more raw inputs, (batch, \\*sample shape), to try the network out with.

        Needed by ``kdkit plugins verify`` only where no domain's default recipe says what the network is fed with.
        """
        return None
