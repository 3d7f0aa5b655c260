"""The contract of an adversary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, get_args

from kdkit.contracts.component import Component, ComponentOptions, fingerprint_of
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class Adversary(Component, ABC):
    """The other kind of generator: a network that is trained against the student while the student is trained.

    Its samples are made up during the training and not kept. It is trained with the teacher's gradients, so the
    teacher has to give ``gradients``. The two are trained in alternation: the adversary takes ``adversary_steps``
    steps that lower its :meth:`loss`, then the student ``student_steps`` steps on the teacher's targets for the
    samples that it makes.

    ``activations``: those of the domains that it is meant for; all of them unless it says otherwise. An adversary
    whose options decide it sets it on the instance.
    ``synthetic``: False when what it makes is not; reports say so.

    Example::

        class Guesses(Adversary):
            '''Images float 0..255, (8, 8), on which student and teacher differ.'''

            activations = ("softmax", "identity")

            def build(self):
                import torch

                class Network(torch.nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.layer = torch.nn.Linear(16, 64)

                    def forward(self, count):
                        latent = torch.randn(count, 16, device=self.layer.weight.device)
                        return 255 * self.layer(latent).sigmoid().unflatten(1, (8, 8))

                return Network()

            def loss(self, inputs, teacher, student):
                return -(teacher(inputs) - student(inputs)).abs().mean()
    """

    kind: ClassVar[str] = "generator"
    synthetic: ClassVar[bool] = True
    activations: tuple[Activation, ...] = get_args(Activation)
    adversary_steps: int = 1
    student_steps: int = 5

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options)
        self.seed = seed

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A new network, on the CPU, with random weights drawn from torch's global generator.

        Its ``forward(count)`` makes that many new inputs, (count, \\*sample shape), float in the range of raw ones,
        from torch's global generator. Whatever it keeps from one step to the next lies in its state dict, so that an
        interrupted training goes on exactly.
        """

    @abstractmethod
    def loss(self, inputs: torch.Tensor, teacher: torch.nn.Module, student: torch.nn.Module) -> torch.Tensor:
        """What the adversary's step lowers: a finite scalar.

        ``inputs``: new ones, through which the gradient reaches the adversary. ``teacher``, ``student``: networks in
        evaluation mode from raw inputs to logits; no weight of theirs changes in this step.
        """

    def training_batch(self, network: torch.nn.Module, count: int) -> torch.Tensor:
        """Raw inputs for a step of the student, without gradients; the default makes ``count`` new ones, uint8."""
        import torch

        inputs: torch.Tensor = network(count)
        return inputs.detach().round().clamp(0, 255).to(torch.uint8)

    def optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """What trains the adversary; the default is Adam at 1e-3."""
        import torch

        return torch.optim.Adam(network.parameters(), 1e-3)

    def fingerprint(self) -> str:
        """As :meth:`Component.fingerprint`, and the seed."""
        return fingerprint_of(component=super().fingerprint(), seed=self.seed)
