"""The promises of a student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.store.weights import fit_state, read_state
from kdkit.testing.network import NetworkContract, close, distance
from kdkit.testing.promise import attempt, require

if TYPE_CHECKING:
    import torch

# Lengths of a step along the gradient, from bold to timid: one of them goes downhill if the gradient is right.
STEPS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)


class StudentContract(NetworkContract):
    """What a student promises.

    ::

        class TestLinear(StudentContract):
            component = Linear
            inputs = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
            output_shape = (10,)
    """

    def test_it_says_what_it_takes(self) -> None:
        """``inputs`` says in one line what the network takes."""
        text = getattr(self.component, "inputs", None)
        require(
            isinstance(text, str) and bool(text.strip()) and "\n" not in text,
            f"{self.component.__name__}.inputs is {text!r}",
            "it stands on the student's card: whoever uses the weights knows the input from nothing else",
            'Say shape, type, range and meaning: inputs = "(batch, 8, 8) uint8, 0..255, grayscale".',
        )

    def test_weights_follow_the_seed(self) -> None:
        """The same torch seed gives the same first weights."""
        import torch

        one, other = self.build(seed=3).state_dict(), self.build(seed=3).state_dict()
        different = [name for name in one if name not in other or not torch.equal(one[name], other[name])]
        require(
            not different,
            f"under the same seed these weights differ: {', '.join(different)}",
            "a run is repeated from its recipe: the same seed must give the same student",
            "Draw first weights from torch's global generator only.",
        )

    def test_saved_weights_are_the_student(self) -> None:
        """Saved and loaded into another network, the weights give the same predictions."""
        from safetensors.torch import save_file

        trained, other, path = self.frozen(seed=1), self.frozen(seed=2), self.folder / "weights.safetensors"
        why = "the file of weights is all that is kept of a student"
        remedy = (
            "Keep every weight as a parameter or buffer that build() makes, none as a plain attribute, and share no "
            "memory between two of them."
        )
        state = {name: value.contiguous() for name, value in trained.state_dict().items()}
        attempt(lambda: save_file(state, path), "the weights cannot be saved as safetensors", why, remedy)
        attempt(
            lambda: fit_state(other, read_state(path), str(path)), "the weights cannot be loaded again", why, remedy
        )
        before, after = self.infer(trained), self.infer(other)
        require(
            close(before, after),
            f"after saving and loading it predicts otherwise (by {distance(before, after)})",
            why,
            remedy,
        )

    def test_gradients_reach_every_weight(self) -> None:
        """Training reaches every parameter."""
        network = self.build().train()
        why = "a weight without a gradient stays at its first random value and takes up space"
        remedy = (
            "Use each parameter in forward without detach() or no_grad(), or freeze it with requires_grad_(False)."
        )
        attempt(lambda: self._loss(network).backward(), "no gradient can be computed", why, remedy)
        untouched = [name for name, value in network.named_parameters() if value.requires_grad and value.grad is None]
        require(not untouched, f"no gradient reaches {', '.join(untouched)}", why, remedy)

    def test_a_step_lowers_the_loss(self) -> None:
        """A small step along the gradient lowers the loss."""
        import torch

        network = self.build().train()
        first = self._loss(network)
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(first, weights, allow_unused=True)
        state = {name: value.clone() for name, value in network.state_dict().items()}
        length = sum(float((g**2).sum()) for g in gradients if g is not None) ** 0.5
        losses = []
        for step in STEPS:
            network.load_state_dict(state)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    if gradient is not None and length > 0:
                        weight.sub_(gradient, alpha=step / length)
                losses.append(float(self._loss(network)))
        require(
            min(losses) < float(first.detach()),
            f"the loss is {float(first):.6g}, and after one step {', '.join(f'{loss:.6g}' for loss in losses)}",
            "what does not go downhill on one batch will not be trained by many",
            "Check what forward does to its result: gradients must be those of the logits that it returns.",
        )

    def test_a_stream_gives_the_logits_of_the_clip(self) -> None:
        """A network with ``step`` gives, frame by frame, the logits of ``forward`` on the whole clip."""
        import torch

        from kdkit.engine.stream import is_streaming

        network: Any = self.frozen()
        if not is_streaming(network):
            return
        inputs = torch.from_numpy(np.array(self.batch))
        with torch.no_grad():
            state, steps = network.initial_state(inputs[:, 0]), []
            for time in range(inputs.shape[1]):
                logits, state = network.step(inputs[:, time], state)
                steps.append(logits.float())
        whole, stepped = self.infer(network), torch.stack(steps, 1)
        require(
            close(whole, stepped),
            f"step by step it predicts otherwise than on the whole clip (by {distance(whole, stepped)})",
            "a scanner's stream would be segmented by another network than the one that was measured",
            "Start from initial_state, carry every state along, and look at no later frame.",
        )

    def _loss(self, network: torch.nn.Module) -> torch.Tensor:
        """The mean squared distance to targets drawn at random."""
        import torch

        outputs = self.raw_output(network).float()
        targets = torch.from_numpy(np.random.default_rng(0).normal(size=tuple(outputs.shape))).float()
        return torch.nn.functional.mse_loss(outputs, targets)
