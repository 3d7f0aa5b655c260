"""The contract of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kdkit.contracts.component import Component
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch


class Teacher(Component, ABC):
    """A trained model whose logits are distilled; it is never trained itself.

    ``gradients``: whether the network that :meth:`build` gives runs in this very process, so that gradients flow from
    its logits back to its inputs, and what its modules give out can be looked at. False for a model that gives
    only logits (behind a network connection, in another runtime). Adversaries, inversion and objectives on features
    need one that does, and refuse any other before anything runs.
    ``remote``: whether the logits come from elsewhere. Its size and speed are then not measured.
    ``activations``: those of the domains that its logits are meant for; None when it does not depend on them.
    A teacher whose options decide one of these sets it on the instance.

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
    gradients: bool = True
    remote: bool = False
    activations: tuple[Activation, ...] | None = None

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """The network with its weights, on the CPU.

        Its ``forward`` takes a batch of raw inputs as the generator made them, (batch, \\*sample shape), normalises
        them itself, and returns logits, (batch, \\*output shape), float. The engine puts it into evaluation mode,
        freezes it and moves it to a device. Where it has ``gradients``, ``forward`` also takes float inputs in the
        range of the raw ones, and is differentiable in them. Raises :class:`kdkit.WeightsError` when the weights do
        not fit.

        In place of the logits ``forward`` may return ``{"logits": logits, "weight": weight}``: how far each value is
        to be believed, float 0..1, in the logits' shape; under "softmax" its last axis has length 1, as a weight
        belongs to a whole distribution. Weights are kept beside the targets in 8 bits, and objectives receive them.
        """

    def example_inputs(self) -> np.ndarray | None:
        """Two or more raw inputs, (batch, \\*sample shape), to try the network out with.

        Needed by ``kdkit plugins verify`` only where no domain's default recipe says what the network is fed with.
        """
        return None

    def model_outputs(
        self, network: torch.nn.Module, inputs: torch.Tensor
    ) -> Mapping[str, tuple[torch.Tensor, int | None]]:
        """What a foreign model inside the built network itself gives, before logits are made of it.

        By the path of the options that say how it is read ("teacher"): the outputs, floating, (images, ...), and the
        axis of its classes, None where they are laid out as the logits of ``forward`` are. The check of the teacher
        looks at them, and tells probabilities that are read as logits. The default gives nothing: the logits of
        ``forward`` are looked at alone.
        """
        return {}

    def alternatives(self) -> Mapping[str, Teacher]:
        """Other readings of the same model by the settings that make them ("teacher.channel=1").

        Where samples carry a truth and the teacher agrees badly with it, the check of the teacher tries them, and
        names one that agrees clearly better.
        """
        return {}

    def promise(self, metric: str) -> float | None:
        """The figure by this metric that the card of the weights promises; None where it says nothing."""
        return None


def logits_and_weight(output: Any, what: str = "the network") -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a teacher's ``forward`` has returned: the logits, and the weight where there is one.

    Raises :class:`kdkit.DataError` when it is neither a tensor nor a mapping with these two.
    """
    import torch

    parts: tuple[Any, ...] = (output,) if isinstance(output, torch.Tensor) else ()
    if isinstance(output, dict) and set(output) == {"logits", "weight"}:
        parts = (output["logits"], output["weight"])
    if not parts or not all(isinstance(part, torch.Tensor) for part in parts):
        kind = f"a mapping with {', '.join(map(str, output))}" if isinstance(output, dict) else type(output).__name__
        raise DataError(
            f"{what} returns {kind}, not a tensor of logits",
            "Return the logits, or {'logits': logits, 'weight': weight}.",
        )
    return parts[0], parts[1] if len(parts) > 1 else None
