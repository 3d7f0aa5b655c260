"""The promises of a teacher."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.teacher import logits_and_weight
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import WeightsError
from kdkit.testing.network import NetworkContract, close, distance
from kdkit.testing.promise import ContractAdvice, attempt, does_not_apply, one_line, require

if TYPE_CHECKING:
    import torch


class TeacherContract(NetworkContract):
    """What a teacher promises.

    ::

        class TestBrightness(TeacherContract):
            component = Brightness
            options = {"threshold": 0.4}
            inputs = np.random.default_rng(0).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    """

    def raw_output(self, network: torch.nn.Module, inputs: np.ndarray | None = None) -> Any:
        """The logits alone, where ``forward`` returns a weight, too."""
        output = super().raw_output(network, inputs)
        return logits_and_weight(output)[0] if isinstance(output, dict) else output

    def test_weights_are_shares(self) -> None:
        """Weights beside the logits are 0..1, one for each value or for each distribution."""
        outputs = super().raw_output(self.frozen())
        if not isinstance(outputs, dict):
            does_not_apply("it gives no weights")
        logits, weight = logits_and_weight(outputs)
        assert weight is not None
        shapes = {"a value": tuple(logits.shape), "a distribution": (*logits.shape[:-1], 1)}
        require(
            tuple(weight.shape) in shapes.values(),
            f"the weight is of shape {tuple(weight.shape)} beside logits {tuple(logits.shape)}",
            "an objective multiplies each term of its loss by the weight of that term",
            f"One for {' or '.join(f'{what}, {shape}' for what, shape in shapes.items())}.",
        )
        require(
            weight.is_floating_point() and bool(((weight >= 0) & (weight <= 1)).all()),
            f"weights are {weight.dtype} between {float(weight.min()):.3g} and {float(weight.max()):.3g}",
            "they are kept in 8 bits as shares of full belief",
            "Scale them to float 0..1.",
        )

    def test_gradients_reach_the_inputs(self) -> None:
        """A teacher with gradients is differentiable in float inputs of the raw range."""
        import torch

        if not self.make().gradients:
            does_not_apply("it says that it gives no gradients")
        network = self.frozen()
        logits = self.raw_output(network)
        if not (logits.is_floating_point() and bool(logits.isfinite().all())):
            does_not_apply("its logits are no finite floats")
        inputs = torch.from_numpy(np.array(self.batch)).float().requires_grad_(True)
        why = "adversaries and inversion change their samples along these gradients"
        remedy = "Compute the logits with torch alone, from inputs.float(); else set gradients = False."

        def gradient() -> torch.Tensor | None:
            # A copy: whoever writes to his inputs is told of that, not of gradients.
            logits_and_weight(network(1 * inputs))[0].pow(2).sum().backward()
            return inputs.grad

        input_gradient = attempt(gradient, "no gradient reaches the inputs", why, remedy)
        require(
            input_gradient is not None and bool(input_gradient.isfinite().all()),
            f"the gradient at the inputs is {'missing' if input_gradient is None else 'not finite'}",
            why,
            remedy,
        )

    def test_predictions_depend_on_the_inputs(self) -> None:
        """Predictions are not the same everywhere."""
        logits = self.infer(self.frozen())
        values = logits[logits.isfinite()]
        require(
            values.numel() == 0 or float(values.max() - values.min()) > 1e-6,
            "every prediction has the same value",
            "there is nothing to be learnt from such a teacher",
            "Check that the weights are loaded and that forward scales the raw inputs as the network expects.",
        )

    def test_logits_are_no_probabilities(self) -> None:
        """Logits are not what a softmax or a sigmoid has made of them (an advice where the activation is unknown)."""
        from kdkit.evaluation.output_doubts import find_activation

        logits = self.infer(self.frozen())
        if not bool(logits.isfinite().all()) or float(logits.max() - logits.min()) < 1e-6:
            does_not_apply("its logits are not finite, or the same everywhere")
        likely: tuple[Activation, ...] = self.make().activations or ("softmax", "sigmoid")
        known = (self.activation,) if self.activation else likely
        values = {"softmax": logits.reshape(-1, logits.shape[-1]) if logits.ndim > 1 else logits}
        made = [find_activation(values.get(one, logits.flatten()), -1, one) for one in known]
        applied = next(filter(None, made), "")
        what = f"every value lies in 0..1{' and the last axis adds up to 1' if applied == 'softmax' else ''}"
        if applied and self.activation is None:
            message = f"{what}, as probabilities do; forward is to return logits, before any {applied}"
            warnings.warn(message, ContractAdvice, stacklevel=1)
            return
        require(
            not applied,
            f"{what}: these are probabilities, not logits",
            "the domain's activation is applied to them once more, and every target would be close to even",
            f"Return what comes before the {applied}, or the logarithm of the probabilities for a softmax.",
        )

    def test_two_builds_agree(self) -> None:
        """Two networks built from the same options give the same predictions."""
        one, other = self.infer(self.frozen(seed=1)), self.infer(self.frozen(seed=2))
        require(
            close(one, other),
            f"two builds predict otherwise (by {distance(one, other)})",
            "targets are stored under the teacher's fingerprint: they must be those of one and the same teacher",
            "Load every weight from a file named by files(), or draw it from a seed among the options.",
        )

    def test_predicting_changes_no_weight(self) -> None:
        """Weights and buffers stay as they are while it predicts."""
        import torch

        network = self.frozen()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        self.infer(network)
        after = network.state_dict()
        changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
        require(
            not changed,
            f"predicting changes {', '.join(changed)}",
            "a teacher that learns while it predicts is another teacher at the end of labelling",
            "Write to no parameter and no buffer in forward; normalise with stored statistics.",
        )

    def test_it_is_frozen(self) -> None:
        """No gradient reaches anything of a frozen teacher."""
        logits = self.raw_output(self.frozen())
        require(
            not logits.requires_grad,
            "logits of the frozen network still carry a gradient",
            "the engine freezes parameters; whatever else has one would keep every activation in memory",
            "Register tensors as buffers or parameters instead of keeping them as plain attributes with gradients.",
        )

    def test_it_predicts_without_gradients(self) -> None:
        """It predicts in torch's inference mode."""
        import torch

        network, raw = self.frozen(), torch.from_numpy(np.array(self.batch))
        with torch.inference_mode():
            attempt(
                lambda: network(raw),
                "in inference mode forward fails",
                "labelling runs in inference mode, which takes half the memory",
                "Use no autograd in forward.",
            )

    def test_damaged_weights_are_refused(self) -> None:
        """A damaged weights file gives a WeightsError."""
        count = 0
        for name, options in self._with_damaged_files():
            count += 1
            outcome = "is loaded without complaint"
            try:
                self.component(options).build()
            except WeightsError:
                continue
            except Exception as error:
                outcome = f"raises {one_line(error)}"
            require(
                False,
                f"a damaged file as {name} {outcome}",
                "a teacher with half its weights predicts, and is silently wrong",
                "Load with kdkit.load_weights, or raise kdkit.WeightsError when a file does not fit.",
            )
        if not count:
            does_not_apply("no option names a weights file")

    def _with_damaged_files(self) -> Iterator[tuple[str, ComponentOptions]]:
        options = self.read_options()
        used = {Path(path) for path in self.make().files()}
        for name in type(options).model_fields:
            path = getattr(options, name)
            if isinstance(path, Path) and path in used and path.is_file():
                damaged = self.folder / f"damaged{path.suffix}"
                damaged.write_bytes(b"not weights" * 10)
                yield name, options.model_copy(update={name: damaged})
