"""The promises of a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.teacher import logits_and_weight
from kdkit.errors import WeightsError
from kdkit.testing.network import NetworkContract, close, distance
from kdkit.testing.promise import attempt, does_not_apply, require, told

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

    def raw_answers(self, network: torch.nn.Module, inputs: np.ndarray | None = None) -> Any:
        """The logits alone, where ``forward`` returns a weight, too."""
        output = super().raw_answers(network, inputs)
        return logits_and_weight(output)[0] if isinstance(output, dict) else output

    def test_weights_are_shares(self) -> None:
        """Weights beside the answers are 0..1, one for each value or for each distribution."""
        answers = super().raw_answers(self.frozen())
        if not isinstance(answers, dict):
            does_not_apply("it gives no weights")
        logits, weight = logits_and_weight(answers)
        assert weight is not None
        shapes = {"a value": tuple(logits.shape), "a distribution": (*logits.shape[:-1], 1)}
        require(
            tuple(weight.shape) in shapes.values(),
            f"the weight is of shape {tuple(weight.shape)} beside answers {tuple(logits.shape)}",
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
        answers = self.raw_answers(network)
        if not (answers.is_floating_point() and bool(answers.isfinite().all())):
            does_not_apply("its answers are no finite floats")
        inputs = torch.from_numpy(np.array(self.batch)).float().requires_grad_(True)
        why = "adversaries and inversion change their samples along these gradients"
        remedy = "Compute the answers with torch alone, from inputs.float(); else set gradients = False."

        def gradient() -> torch.Tensor | None:
            # A copy: whoever writes to his inputs is told of that, not of gradients.
            logits_and_weight(network(1 * inputs))[0].pow(2).sum().backward()
            return inputs.grad

        found = attempt(gradient, "no gradient reaches the inputs", why, remedy)
        require(
            found is not None and bool(found.isfinite().all()),
            f"the gradient at the inputs is {'missing' if found is None else 'not finite'}",
            why,
            remedy,
        )

    def test_answers_depend_on_the_inputs(self) -> None:
        """Answers are not the same everywhere."""
        answers = self.infer(self.frozen())
        values = answers[answers.isfinite()]
        require(
            values.numel() == 0 or float(values.max() - values.min()) > 1e-6,
            "every answer has the same value",
            "there is nothing to be learnt from such a teacher",
            "Check that the weights are loaded and that forward scales the raw inputs as the network expects.",
        )

    def test_two_builds_agree(self) -> None:
        """Two networks built from the same options give the same answers."""
        one, other = self.infer(self.frozen(seed=1)), self.infer(self.frozen(seed=2))
        require(
            close(one, other),
            f"two builds answer otherwise (by {distance(one, other)})",
            "targets are stored under the teacher's fingerprint: they must be those of one and the same teacher",
            "Load every weight from a file named by files(), or draw it from a seed among the options.",
        )

    def test_answering_changes_no_weight(self) -> None:
        """Weights and buffers stay as they are while it answers."""
        import torch

        network = self.frozen()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        self.infer(network)
        after = network.state_dict()
        changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
        require(
            not changed,
            f"answering changes {', '.join(changed)}",
            "a teacher that learns while it answers is another teacher at the end of labelling",
            "Write to no parameter and no buffer in forward; normalise with stored statistics.",
        )

    def test_it_is_frozen(self) -> None:
        """No gradient reaches anything of a frozen teacher."""
        answers = self.raw_answers(self.frozen())
        require(
            not answers.requires_grad,
            "answers of the frozen network still carry a gradient",
            "the engine freezes parameters; whatever else has one would keep every activation in memory",
            "Register tensors as buffers or parameters instead of keeping them as plain attributes with gradients.",
        )

    def test_it_answers_without_gradients(self) -> None:
        """It answers in torch's inference mode."""
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
        tried = 0
        for name, options in self._with_damaged_files():
            tried += 1
            found = "is loaded without complaint"
            try:
                self.component(options).build()
            except WeightsError:
                continue
            except Exception as error:
                found = f"raises {told(error)}"
            require(
                False,
                f"a damaged file as {name} {found}",
                "a teacher with half its weights answers, and is silently wrong",
                "Load with kdkit.load_weights, or raise kdkit.WeightsError when a file does not fit.",
            )
        if not tried:
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
