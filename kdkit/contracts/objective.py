"""The contract of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, get_args

from kdkit.contracts.component import Component
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class Objective(Component, ABC):
    """A training loss between a student's logits and a teacher's targets.

    ``activations``: those of the domains that it is meant for; all of them unless it says otherwise.

    Example::

        class MeanSquared(Objective):
            '''Mean squared difference.'''

            activations = ("softmax", "identity")

            def loss(self, logits, targets, weight=None):
                squares = (logits - targets) ** 2
                return squares.mean() if weight is None else (weight * squares).mean()
    """

    kind: ClassVar[str] = "objective"
    activations: ClassVar[tuple[Activation, ...]] = get_args(Activation)

    @abstractmethod
    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """A finite scalar, smaller is better; it may be below 0. What it is given stays as it is.

        ``logits``: the student's, (batch, \\*output shape), float. ``targets``: the same shape, float: the teacher's
        probabilities in 0..1 when the domain's activation is "sigmoid", its logits when that is "softmax", its
        values when that is "identity". ``weight``: how far each target is to be believed, float 0..1, in the
        targets' shape, the last axis of length 1 under "softmax"; each term of the loss is multiplied by its own
        before the mean is taken. None, when the teacher gives none, counts as 1 everywhere.
        """


class FeatureObjective(Objective, ABC):
    """A training loss between what goes on inside the two networks: features, which modules of them give out.

    Its ``loss`` receives the student's features in the place of the logits, and the teacher's in that of the
    targets, for each of :meth:`pairs` in turn. Features are not stored, so the teacher's network has to run in the
    training itself (``Teacher.gradients``), without gradients and never trained. What lies behind the compared
    modules learns nothing from it: a recipe sets it beside an objective on logits.

    Example::

        class SameMean(FeatureObjective):
            '''The mean of each channel, of features (batch, channels, ...) with equally many.'''

            class Options(ComponentOptions):
                layer: str = Field("features", description="The module's path in both networks.")

            def pairs(self):
                return [(self.options.layer, self.options.layer)]

            def loss(self, logits, targets, weight=None):
                return ((logits.flatten(2).mean(2) - targets.flatten(2).mean(2)) ** 2).mean()
    """

    @abstractmethod
    def pairs(self) -> Sequence[tuple[str, str]]:
        """The modules that are compared: (path in the student's network, path in the teacher's).

        Paths are those of ``torch.nn.Module.named_modules``. Each module gives out one tensor, (batch, channels,
        ...), once in a pass. A network in which that is otherwise, one that takes each frame of a clip for a sample,
        say, has a method ``gather_features(outputs, inputs)``: what a module gave out in a pass, a list of tensors,
        as one tensor, (batch * frames, channels, ...) with the frames of each sample in turn.
        """

    def adapter(self, student: Sequence[int], teacher: Sequence[int]) -> torch.nn.Module | None:
        """What a pair's student features go through before the loss; None (the default) for nothing.

        ``student``, ``teacher``: the shapes of both features without the batch axis. Its weights are trained with the
        student and not kept.
        """
        return None
