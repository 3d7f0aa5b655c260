"""The promises of an adversary."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.vocabulary import Activation
from kdkit.testing.component import ComponentContract
from kdkit.testing.network import close
from kdkit.testing.promise import attempt, require

if TYPE_CHECKING:
    import torch

KNOWN = get_args(Activation)
COUNT = 4


class AdversaryContract(ComponentContract):
    """What an adversary promises.

    ::

        class TestGuesses(AdversaryContract):
            component = Guesses

    It is tried against small random networks for teacher and student, with logits of ``output_shape``.
    """

    output_shape: tuple[int, ...] = (3,)

    def make(self, seed: int = 0) -> Adversary:
        """A new instance with these options."""
        made: Adversary = self.component(self.read_options(), seed=seed)
        return made

    def build(self, seed: int = 0) -> torch.nn.Module:
        """A new network, built under this torch seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.make().build()

    def inputs(self, network: torch.nn.Module, seed: int = 0) -> torch.Tensor:
        """New inputs of the network, drawn under this torch seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: torch.Tensor = network(COUNT)
        return made

    @cached_property
    def players(self) -> tuple[torch.nn.Module, torch.nn.Module]:
        """A teacher and a student for the inputs' shape, in evaluation mode."""
        from kdkit.testing.players import player

        shape = self.inputs(self.build()).shape[1:]
        teacher, student = (player(shape, self.output_shape, seed) for seed in (1, 2))
        return teacher.requires_grad_(False), student

    def test_activations_are_known(self) -> None:
        """It says for which activations it is meant."""
        named = self.make().activations
        require(
            isinstance(named, tuple) and bool(named) and set(named) <= set(KNOWN),
            f"activations is {named!r}",
            "a recipe in which it cannot do its part is refused before anything runs",
            f"Set activations to a tuple of some of {', '.join(map(repr, KNOWN))}.",
        )

    def test_steps_are_counted(self) -> None:
        """Both sides take at least one step in a turn."""
        made = self.make()
        require(
            made.adversary_steps >= 1 and made.student_steps >= 1,
            f"adversary_steps is {made.adversary_steps}, student_steps {made.student_steps}",
            "without a step of either there is no duel",
            "Set both to whole numbers from 1.",
        )

    def test_inputs_are_a_batch_of_finite_floats(self) -> None:
        """``forward(count)`` makes that many finite float inputs."""
        made = self.inputs(self.build())
        require(
            made.is_floating_point() and len(made) == COUNT and bool(made.isfinite().all()),
            f"asked for {COUNT} inputs it makes {made.dtype} {tuple(made.shape)}",
            "teacher and student are asked about them, and the gradient flows back through them",
            "Return one float tensor (count, *sample shape) in the range of raw inputs.",
        )

    def test_inputs_follow_the_seed(self) -> None:
        """Inputs and first weights are the same under the same torch seed, and others under another."""
        one, same, other = (self.inputs(self.build(), seed).detach() for seed in (0, 0, 1))
        require(
            close(one, same) and not close(one, other),
            "another torch seed gives the same inputs" if close(one, same) else "the same torch seed gives others",
            "an interrupted training draws again what it would have drawn",
            "Draw latent numbers and first weights from torch's global generator only.",
        )

    def test_a_lesson_is_raw(self) -> None:
        """A training batch holds as many raw inputs as were asked for, without gradients."""
        import torch

        network = self.build()
        made, batch = self.inputs(network), self.make().training_batch(network, COUNT)
        require(
            isinstance(batch, torch.Tensor) and batch.shape == made.shape and not batch.requires_grad,
            f"a training batch of {COUNT} is {getattr(batch, 'dtype', type(batch))} {getattr(batch, 'shape', '')}",
            "the student learns on raw inputs, as it will be used on them",
            "Leave training_batch() as it is inherited, or detach and round what it returns.",
        )

    def test_its_loss_reaches_every_weight(self) -> None:
        """The loss is one finite number, and its gradient reaches every weight of the adversary."""
        network = self.build()
        why = "the adversary learns from this gradient only"
        remedy = "Compute the loss from teacher(inputs) and student(inputs) with torch alone, without detach()."
        loss = attempt(lambda: self.make().loss(network(COUNT), *self.players), "loss() fails", why, remedy)
        require(
            tuple(loss.shape) == () and bool(loss.isfinite()),
            f"the loss is of shape {tuple(loss.shape)}, or not finite",
            why,
            "Take means over the batch.",
        )
        attempt(loss.backward, "there is no gradient", why, remedy)
        weights = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
        untouched = [name for name, value in weights if value.grad is None or not bool(value.grad.isfinite().all())]
        require(not untouched, f"no finite gradient reaches {', '.join(untouched)}", why, remedy)

    def test_players_are_left_unchanged(self) -> None:
        """Neither the teacher nor the student changes by the loss."""
        import torch

        before = [{name: value.clone() for name, value in player.state_dict().items()} for player in self.players]
        self.make().loss(self.build()(COUNT), *self.players)
        changed = [
            name
            for player, state in zip(self.players, before, strict=True)
            for name, value in player.state_dict().items()
            if not torch.equal(value, state[name])
        ]
        hooked = [name for player in self.players for name, module in player.named_modules() if _hooks(module)]
        require(
            not changed and not hooked,
            f"loss() changes {', '.join(changed)}" if changed else f"loss() leaves hooks on {', '.join(hooked)}",
            "the student learns in its own steps, and the teacher never",
            "Leave both networks in evaluation mode, and remove every hook that you register.",
        )

    def test_an_optimizer_trains_it(self) -> None:
        """A step of its optimizer changes its weights."""
        import torch

        network = self.build()
        made = self.make()
        optimizer = made.optimizer(network)
        before = {name: value.clone() for name, value in network.named_parameters()}
        made.loss(network(COUNT), *self.players).backward()
        optimizer.step()
        changed = [name for name, value in network.named_parameters() if not torch.equal(value, before[name])]
        require(
            bool(changed),
            "after a step of optimizer() every weight is as before",
            "an adversary that does not learn is a source of noise",
            "Give the optimizer network.parameters().",
        )

    def test_its_state_is_all_it_keeps(self) -> None:
        """Saved and loaded into another network, its state makes the same inputs and lessons."""
        import torch

        one, other = self.build(seed=1), self.build(seed=2)
        for _ in range(2):
            self.make().training_batch(one, COUNT)
        other.load_state_dict({name: value.clone() for name, value in one.state_dict().items()})
        made = []
        for network in (one, other):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(3)
                made.append((network(COUNT).detach(), self.make().training_batch(network, COUNT).float()))
        require(
            all(close(*pair) for pair in zip(*made, strict=True)),
            "after loading its state a network makes other inputs",
            "an interrupted training goes on from the state dict alone, and must end as an uninterrupted one",
            "Keep pools and running means as buffers of the network, none as a plain attribute.",
        )


def _hooks(module: Any) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
