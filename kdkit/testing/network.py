"""What teachers and students promise alike."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.contracts.generator import Generator
from kdkit.contracts.vocabulary import Activation
from kdkit.testing.component import ComponentContract
from kdkit.testing.promise import MissingExampleError, require
from kdkit.testing.samples import array_difference

if TYPE_CHECKING:
    import torch

# Of the largest logit: convolutions round differently in batches of different size.
TOLERANCE = 1e-4


class NetworkContract(ComponentContract):
    """The base of the contracts of teachers and students.

    ``inputs``: two or more raw inputs, (batch, \\*sample shape), as a generator makes them. Without them, the first
    two samples of ``generator``, an instance; without that, what the component's own ``example_inputs`` gives.
    ``output_shape``: the shape of the logits for one sample, if it shall be checked. ``activation``: that of the
    domain in which it is used, if it is known.
    """

    essential = ("test_predictions_are_a_batch_of_floats", "test_predictions_are_finite")
    inputs: Any = None
    generator: Generator | None = None
    output_shape: tuple[int, ...] | None = None
    activation: Activation | None = None

    @cached_property
    def batch(self) -> np.ndarray:
        """The raw inputs that the network is tried with."""
        if self.inputs is not None:
            inputs = self.inputs
        elif self.generator is not None:
            inputs = np.stack([sample.inputs for sample in self.generator.generate([0, 1])])
        else:
            inputs = self.make().example_inputs()
        if inputs is None:
            raise MissingExampleError(
                f"needs example inputs; give them as {self.component.__name__}.example_inputs, "
                "or name the component in a domain's default recipe"
            )
        return np.asarray(inputs)

    def check_examples(self) -> None:
        """As in the base, and there are inputs."""
        super().check_examples()
        _ = self.batch

    def build(self, seed: int = 0) -> torch.nn.Module:
        """A new network, built under this torch seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network: torch.nn.Module = self.make().build()
        return network

    def frozen(self, seed: int = 0) -> torch.nn.Module:
        """A new network as the engine uses it: in evaluation mode, its weights without gradients."""
        return self.build(seed).eval().requires_grad_(False)

    def infer(self, network: torch.nn.Module, inputs: np.ndarray | None = None) -> torch.Tensor:
        """The network's logits for raw inputs, float, without gradients."""
        import torch

        with torch.no_grad():
            return self.raw_output(network, inputs).float()

    def raw_output(self, network: torch.nn.Module, inputs: np.ndarray | None = None) -> Any:
        """What ``forward`` returns for a copy of the inputs; chance in it is the same each time."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return network(torch.from_numpy(np.array(self.batch if inputs is None else inputs)))

    def test_predictions_are_a_batch_of_floats(self) -> None:
        """Answers are a float tensor with one row for each input."""
        import torch

        predictions = self.raw_output(self.frozen())
        description = (
            f"{predictions.dtype} {tuple(predictions.shape)}"
            if isinstance(predictions, torch.Tensor)
            else type(predictions)
        )
        expected_shape = f"(batch, {', '.join(map(str, self.output_shape))})" if self.output_shape else "(batch, ...)"
        require(
            isinstance(predictions, torch.Tensor)
            and predictions.is_floating_point()
            and predictions.shape[:1] == (len(self.batch),)
            and (self.output_shape is None or tuple(predictions.shape[1:]) == self.output_shape),
            f"for {len(self.batch)} inputs the predictions are {description}, expected floats {expected_shape}",
            "each prediction is stored beside its sample and compared, element by element, with the other model's",
            "Return logits as one float tensor whose first axis is the batch.",
        )

    def test_predictions_are_finite(self) -> None:
        """Answers are finite."""
        predictions = self.infer(self.frozen())
        bad = int((~predictions.isfinite()).sum())
        require(
            bad == 0,
            f"{bad} of {predictions.numel()} values are not finite",
            "one NaN in a target makes every weight of the student NaN",
            "Look for a division by zero or a logarithm of zero, and at the weights.",
        )

    def test_a_prediction_does_not_depend_on_the_batch(self) -> None:
        """The prediction for a sample is the same alone and in a batch."""
        together = self.infer(self.frozen())
        for place, one in enumerate(self.batch):
            alone = self.infer(self.frozen(), one[None])[0]
            require(
                close(alone, together[place]),
                f"sample {place} gives another prediction alone than in a batch "
                f"(by {distance(alone, together[place])})",
                "batches are cut as memory allows: the predictions would depend on the machine",
                "Normalise each sample by itself, and let nothing but the batch axis hold the batch.",
            )

    def test_a_prediction_is_repeated(self) -> None:
        """The same network gives the same prediction when it is called again."""
        network = self.frozen()
        first, second = self.infer(network), self.infer(network)
        require(
            close(first, second),
            f"called again, the network predicts otherwise (by {distance(first, second)})",
            "what it says of a sample would depend on what it was given before",
            "Keep no state from one call to the next: a recurrent network starts each forward from its first state.",
        )

    def test_inputs_are_left_unchanged(self) -> None:
        """The inputs are not written to."""
        import torch

        raw = torch.from_numpy(np.array(self.batch))
        with torch.no_grad():
            self.frozen()(raw)
        change = array_difference(raw.numpy(), np.array(self.batch))
        require(
            not change,
            f"forward changes its inputs: {change}",
            "the same batch goes to more than one model",
            "Use operations that make new tensors: x = x / 255, not x /= 255.",
        )


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two predictions are the same but for rounding; NaN equals NaN."""
    import torch

    if one.shape != other.shape:
        return False
    finite = one[one.isfinite()].abs()
    scale = max(1.0, float(finite.max())) if finite.numel() else 1.0
    return torch.allclose(one, other, rtol=0, atol=TOLERANCE * scale, equal_nan=True)


def distance(one: torch.Tensor, other: torch.Tensor) -> str:
    """How far two predictions lie apart, in words."""
    if one.shape != other.shape:
        return f"shapes {tuple(one.shape)} and {tuple(other.shape)}"
    return f"up to {float((one - other).abs().max()):.3g}"
