"""Teachers from a user's own Python code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from pydantic import field_validator

from kdkit import ComponentOptions, Field, InputFile, KdkitError, Teacher, load_weights
from kdkit_teachers.images import ModelActivation
from kdkit_teachers.own_code import check_own, is_of_python

if TYPE_CHECKING:
    import torch


class FromCallable(Teacher):
    """Your own installed code, by its import path: a class of a torch module, or a function from inputs to logits.

    A class is made with ``arguments`` and its weights are read from ``weights``; a function is called with each batch
    and ``arguments``. Either takes a tensor of raw samples, (batch, \\*sample shape), as they are stored, and returns
    logits (batch, \\*answer shape), float, or with ``activation`` probabilities. The path is resolved by importing,
    never evaluated; each part of it must be defined in the package that it begins with, and Python's own modules and
    functions of libraries (``torch:save``) are refused. Still, importing a module runs it, so look at this option in
    recipes of others.

    The answers are kept under the content of the module's own file; when code behind it changes, raise ``revision``.
    """

    class Options(ComponentOptions):
        path: str = Field(description="Import path of the class or function: package.module:name.")
        arguments: dict[str, Any] = Field(default_factory=dict, description="Named arguments, plain values.")
        weights: InputFile | None = Field(
            None, description="Weights file for a class: safetensors, or a torch state dict."
        )
        gives_gradients: bool = Field(
            True, description="Whether gradients reach the inputs, as floats in the raw range, through your code."
        )
        activation: ModelActivation = Field(
            "none",
            description="What your code has already applied to what it returns. none: nothing, it returns logits; "
            "softmax: probabilities on the last axis; sigmoid: a probability for each value.",
        )
        revision: int = Field(1, ge=1, description="Raise it when code behind the module begins to answer otherwise.")

        @field_validator("path")
        @classmethod
        def _is_import_path(cls, path: str) -> str:
            module, colon, name = path.partition(":")
            if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
                raise ValueError("an import path package.module:name")
            if any(part.startswith("__") for part in name.split(".")):
                raise ValueError("an import path into your own code: what begins with __ is Python's own")
            if is_of_python(module):
                raise ValueError("an import path into your own code: modules of Python itself are refused")
            return path

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        self.gradients = self.options.gives_gradients

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"path": "kdkit_teachers.example:brightness", "arguments": {"threshold": 0.4}}

    def example_inputs(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)

    def files(self) -> Sequence[Path]:
        module = self.options.path.partition(":")[0]
        try:
            spec = find_spec(module)
        except ImportError as error:
            raise _unknown(self.options.path, error) from error
        if spec is None:
            raise _unknown(self.options.path, f"no module named {module}")
        own = [Path(spec.origin)] if spec.has_location and spec.origin else []
        return [*own, *filter(None, [self.options.weights])]

    def build(self) -> torch.nn.Module:
        import torch

        found = self._found()
        if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
            if self.options.weights:
                raise KdkitError(f"{self.options.path} is no class of a torch module, so it takes no weights")
            from kdkit_teachers.function import FunctionNetwork

            return self._with_activation(FunctionNetwork(found, self.options.arguments))
        try:
            network = found(**self.options.arguments)
        except Exception as error:  # a user's class may fail in any way
            raise KdkitError(
                f"{self.options.path} cannot be made: {type(error).__name__}: {error}", "Check teacher.arguments."
            ) from error
        if self.options.weights:
            load_weights(network, self.options.weights)
        return self._with_activation(network)

    def model_outputs(
        self, network: torch.nn.Module, inputs: torch.Tensor
    ) -> Mapping[str, tuple[torch.Tensor, int | None]]:
        """What your code returns, where it is read as logits: as a member of an ensemble it is not seen otherwise."""
        return {"teacher": (network(inputs), None)} if self.options.activation == "none" else {}

    def alternatives(self) -> Mapping[str, Teacher]:
        """The other activations."""
        return {
            f"teacher.activation={name}": type(self)(self.options.model_copy(update={"activation": name}))
            for name in get_args(ModelActivation)
            if name != self.options.activation
        }

    def _with_activation(self, network: torch.nn.Module) -> torch.nn.Module:
        if self.options.activation == "none":
            return network
        from kdkit_teachers.function import FromProbabilities

        return FromProbabilities(network, self.options.activation)

    def _found(self) -> Callable[..., Any]:
        module, _, name = self.options.path.partition(":")
        try:
            found: Any = import_module(module)
            hops = [found := getattr(found, part) for part in name.split(".")]
        except Exception as error:  # a user's module may fail in any way when it is imported
            raise _unknown(self.options.path, error) from error
        if not callable(found):
            raise KdkitError(f"{self.options.path} is {type(found).__name__}, which cannot be called")
        for hop in hops:
            check_own(self.options.path, hop)
        return found


def _unknown(path: str, reason: object) -> KdkitError:
    kind = f"{type(reason).__name__}: " if isinstance(reason, Exception) else ""
    return KdkitError(
        f"{path} cannot be imported: {kind}{reason}",
        "Install the package that holds it into this environment (pip install -e .), or set PYTHONPATH.",
    )
