"""The promises of an objective."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from kdkit.contracts.objective import FeatureObjective
from kdkit.contracts.vocabulary import Activation
from kdkit.testing.component import ComponentContract
from kdkit.testing.network import close
from kdkit.testing.promise import attempt, does_not_apply, require

if TYPE_CHECKING:
    import torch

KNOWN = get_args(Activation)
BATCH = 6
EXTREME = 200.0


class ObjectiveContract(ComponentContract):
    """What an objective promises, under each of its ``activations``.

    ::

        class TestFocal(ObjectiveContract):
            component = Focal
            output_shape = (8, 8)

    ``output_shape``: the shape of the logits for one sample; under "softmax" its last axis holds the classes. Of an
    objective on features, their shape: channels first.
    """

    output_shape: tuple[int, ...] = (3, 4)

    def test_activations_are_known(self) -> None:
        """It says for which activations it is meant."""
        named = self.component.activations
        require(
            isinstance(named, tuple) and bool(named) and set(named) <= set(KNOWN),
            f"activations is {named!r}",
            "probabilities and logits need different losses: what fits one domain misleads another",
            f"Set activations to a tuple of some of {', '.join(map(repr, KNOWN))}.",
        )

    def test_the_loss_is_a_finite_number(self) -> None:
        """The loss is one finite number."""
        for activation, logits, targets in self._tried():
            loss = self._loss(logits, targets)
            shape = tuple(loss.shape)
            require(
                shape == () and bool(loss.isfinite()),
                f"under {activation} the loss is {'not finite' if shape == () else f'of shape {shape}'}",
                "training follows one number",
                "Take the mean over the batch and over all values of an answer.",
            )

    def test_extreme_logits_are_survived(self) -> None:
        """The loss stays finite for very large logits."""
        for activation, logits, targets in self._tried():
            loss = self._loss(logits.sign() * EXTREME, targets).mean()
            require(
                bool(loss.isfinite()),
                f"under {activation}, with logits of ±{EXTREME:.0f}, the loss is {float(loss)}",
                "one confident mistake would end the training with NaN",
                "Work on logits, not probabilities: logsigmoid, log_softmax, binary_cross_entropy_with_logits.",
            )

    def test_the_gradient_is_finite(self) -> None:
        """The gradient reaches the logits, finite and not zero."""
        for activation, logits, targets in self._tried():
            logits.requires_grad_(True)
            remedy = "Compute the loss from the logits with torch alone, without detach(), item() or numpy."
            why = "the student learns from this gradient only"
            attempt(
                self._loss(logits, targets).mean().backward, f"under {activation} there is no gradient", why, remedy
            )
            gradient = logits.grad
            require(
                gradient is not None and bool(gradient.isfinite().all()) and bool((gradient != 0).any()),
                f"under {activation} the gradient is {_kind(gradient)}",
                why,
                remedy,
            )

    def test_the_order_of_a_batch_does_not_matter(self) -> None:
        """The loss is the same in any order of the samples."""
        import torch

        order = torch.tensor([*range(1, BATCH), 0])
        for activation, logits, targets in self._tried():
            one = float(self._loss(logits, targets).mean())
            other = float(self._loss(logits[order], targets[order]).mean())
            require(
                abs(one - other) <= 1e-5 * max(1.0, abs(one)),
                f"under {activation} the loss is {one:.6g}, and {other:.6g} with the samples in another order",
                "batches are shuffled: the loss would depend on chance",
                "Treat each sample of the batch alike, and take the mean.",
            )

    def test_the_teachers_answer_is_the_minimum(self) -> None:
        """No logits have a lower loss than those that match the targets."""
        import torch

        for activation, logits, targets in self._tried():
            match = _matching(targets, activation)
            best = float(self._loss(match, targets).mean())
            noise = torch.randn(match.shape, generator=torch.Generator().manual_seed(1))
            others = {
                "random logits": logits,
                "slightly larger ones": match + 0.3,
                "slightly smaller ones": match - 0.3,
                "ones beside them": match + 0.3 * noise,
                "twice as large ones": 2 * match,
            }
            for words, other in others.items():
                loss = float(self._loss(other, targets).mean())
                require(
                    best <= loss + 1e-5 * max(1.0, abs(best)),
                    f"under {activation} the loss is {best:.6g} where the student says what the teacher says, "
                    f"and {loss:.6g} for {words}",
                    "the student would be trained away from its teacher",
                    "Compare like with like (targets are probabilities under sigmoid, else logits or values), or "
                    "name only the activations that it is meant for in `activations`.",
                )

    def test_weights_are_counted(self) -> None:
        """A weight of 1 changes nothing, and what has the weight 0 does not matter."""
        import torch

        if issubclass(self.component, FeatureObjective):
            does_not_apply("features have no weight")
        for activation, logits, targets in self._tried():
            ones = torch.ones((*targets.shape[:-1], 1) if activation == "softmax" else targets.shape)
            why = "where its teachers disagree, an ensemble says so, and the student shall learn less there"
            remedy = "Multiply each term of the loss by its weight before the mean is taken; None counts as 1."
            whole = attempt(
                partial(self._loss, logits, targets, ones),
                f"under {activation} loss() takes no weight",
                why,
                remedy,
            ).mean()
            plain = self._loss(logits, targets).mean()
            require(
                close(whole, plain),
                f"under {activation} the loss is {float(plain):.6g}, and {float(whole):.6g} with a weight of 1",
                why,
                remedy,
            )
            half = ones.clone()
            half[::2] = 0
            others = logits.clone()
            others[::2] += 1
            one, other = self._loss(logits, targets, half).mean(), self._loss(others, targets, half).mean()
            require(
                close(one, other),
                f"under {activation} logits with the weight 0 change the loss from {float(one):.6g} "
                f"to {float(other):.6g}",
                why,
                remedy,
            )

    def test_its_arguments_are_left_unchanged(self) -> None:
        """Neither logits nor targets are written to."""
        import torch

        for activation, logits, targets in self._tried():
            given = logits.clone(), targets.clone()
            self.make().loss(*given)
            require(
                torch.equal(given[0], logits) and torch.equal(given[1], targets),
                f"under {activation} loss() changes its arguments",
                "the same tensors may be used for another loss, and gradients are computed from them",
                "Use operations that make new tensors.",
            )

    def _tried(self) -> Iterator[tuple[Activation, torch.Tensor, torch.Tensor]]:
        """Each known activation with logits and targets drawn at random."""
        import torch

        chance = torch.Generator().manual_seed(0)
        shape = (BATCH, *self.output_shape)
        # Features are values, whatever becomes of the answers behind them.
        named = ("identity",) if issubclass(self.component, FeatureObjective) else self.component.activations
        for activation in KNOWN:
            if activation in named:
                logits, targets = (2 * torch.randn(shape, generator=chance) for _ in range(2))
                yield activation, logits, targets.sigmoid() if activation == "sigmoid" else targets

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        more = () if weight is None else (weight.clone(),)
        loss: torch.Tensor = self.make().loss(logits.clone(), targets.clone(), *more)
        return loss


def _matching(targets: torch.Tensor, activation: Activation) -> torch.Tensor:
    return targets.logit() if activation == "sigmoid" else targets


def _kind(gradient: Any) -> str:
    if gradient is None:
        return "missing"
    return "zero everywhere" if bool(gradient.isfinite().all()) else "not finite"
