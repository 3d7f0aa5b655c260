"""The promises of every component."""

from __future__ import annotations

import json
import shutil
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from kdkit.contracts.component import CONTRACT_VERSION, ComponentOptions
from kdkit.scratch import make_scratch_folder
from kdkit.testing.perturbation import perturbed
from kdkit.testing.probe import look_at
from kdkit.testing.promise import ContractAdvice, MissingExampleError, does_not_apply, require

_STALE = (
    "artifacts are kept under the fingerprint: with the old one, results of other options would be taken for these"
)
_SUPER = "Leave fingerprint() as it is inherited, or build yours on super().fingerprint()."


class ComponentContract:
    """What every component promises; the base of the other contracts.

    ``component``: the class on trial. ``options``: those to try it with; without them, what the class's own
    ``example_options`` gives. Where options need files, write them into :attr:`folder`::

        class TestMyTeacher(TeacherContract):
            component = MyTeacher

            @cached_property
            def options(self):
                return {"weights": write_small_weights(self.folder / "w.safetensors")}
    """

    component: ClassVar[type[Any]]
    # The promises without which all others mean little, and other components have no examples.
    essential: ClassVar[tuple[str, ...]] = ()
    options: Any = None

    @cached_property
    def folder(self) -> Path:
        """An empty folder of this one test, removed with it."""
        path = make_scratch_folder("contract")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path

    @cached_property
    def raw_options(self) -> Mapping[str, Any]:
        """The options to try the component with, not yet read."""
        return self.component.example_options(self.folder) if self.options is None else self.options

    def read_options(self) -> ComponentOptions:
        """The options as the component receives them."""
        return self.component.Options.model_validate(self.raw_options)

    def make(self) -> Any:
        """A new instance with these options."""
        return self.component(self.read_options())

    def check_examples(self) -> None:
        """Raise :class:`MissingExampleError` when the suite cannot try the component for want of an example."""
        try:
            self.read_options()
        except ValidationError as error:
            missing = [str(fault["loc"][0]) for fault in error.errors() if fault["type"] == "missing"]
            if not missing:
                raise
            raise MissingExampleError(
                f"needs options {', '.join(missing)}; give them as {self.component.__name__}.example_options"
            ) from error

    def test_it_says_what_it_is(self) -> None:
        """The class has a docstring of its own."""
        require(
            bool((self.component.__doc__ or "").strip()),
            f"{self.component.__name__} has no docstring",
            "kdkit plugins info shows it: it is all that a user can read about the component",
            "Say in a docstring what it is, what it takes and what it gives.",
        )

    def test_contract_version_is_known(self) -> None:
        """The contract version is one that this kdkit knows."""
        version = self.component.contract_version
        require(
            isinstance(version, int) and 1 <= version <= CONTRACT_VERSION,
            f"contract_version is {version!r}; this kdkit knows 1 to {CONTRACT_VERSION}",
            "kdkit refuses a component that was written for contracts it does not know",
            "Leave contract_version out, or set it to the version that the component was written for.",
        )

    def test_every_option_is_described(self) -> None:
        """Every option has a description."""
        bare = [name for name, field in self.component.Options.model_fields.items() if not field.description]
        require(
            not bare,
            f"no description: {', '.join(bare)}",
            "kdkit plugins info and kdkit config show print it beside the option",
            'Give each option Field(..., description="What it means, and its unit.").',
        )

    def test_unknown_option_is_refused(self) -> None:
        """An option that does not exist is refused."""
        try:
            self.component.Options.model_validate({**self.raw_options, "no_such_option": 1})
        except ValidationError:
            return
        require(
            False,
            "Options accepts an option that does not exist",
            "a misspelt option would be ignored in silence, and the experiment would not be the one asked for",
            "Derive Options from kdkit.ComponentOptions and leave its model_config as it is.",
        )

    def test_options_survive_a_recipe(self) -> None:
        """Options that are written down and read again are the same."""
        options = self.read_options()
        text = json.dumps(options.model_dump(mode="json"), allow_nan=False)
        for form, again in (("Python values", options.model_dump()), ("JSON", json.loads(text))):
            read = self.component.Options.model_validate(again)
            require(
                read == options,
                f"options written as {form} and read again are {read!r}, not {options!r}",
                "a run keeps its recipe, and a student its card: read again, they must mean the same",
                "Use plain types for options; a custom serializer needs a validator that undoes it.",
            )

    def test_fingerprint_is_stable(self) -> None:
        """The fingerprint is the same for every instance and in every process."""
        here, again, elsewhere = (
            self.make().fingerprint(),
            self.make().fingerprint(),
            look_at(self.make()).fingerprint,
        )
        require(
            here == again == elsewhere,
            f"the fingerprint is {here}, then {again}, and {elsewhere} in another process",
            "artifacts are found again by it: one that changes makes every run start from nothing",
            f"{_SUPER} Python's hash() and id() differ from process to process.",
        )

    def test_fingerprint_depends_on_options(self) -> None:
        """Other options give another fingerprint, unless they are incidental."""
        base, count = self.make(), 0
        for name, options in perturbed(self.read_options()):
            if name in self.component.incidental:
                continue
            other = self.make()
            other.options = options
            count += 1
            require(
                other.fingerprint() != base.fingerprint(),
                f"{name} = {getattr(options, name)!r} gives the same fingerprint as {getattr(base.options, name)!r}",
                _STALE,
                _SUPER,
            )
        if not count:
            does_not_apply("there is no option to change")

    def test_fingerprint_depends_on_version(self) -> None:
        """Another version of the component gives another fingerprint, and so does other code."""
        older, newer, edited = self.make(), self.make(), self.make()
        newer.version = f"{older.version}-next"
        edited.origin = replace(older.origin, digest=f"{older.origin.digest}-edited")
        for other, event in ((newer, "version is raised"), (edited, "code that is being worked on changes")):
            require(
                other.fingerprint() != older.fingerprint(),
                f"the fingerprint stays when {event}",
                "results of the code before a correction would be taken for those after it",
                f"{_SUPER} Without either, let it hold what identity() gives.",
            )

    def test_importing_it_is_cheap(self) -> None:
        """Importing the module loads no heavy library (an advice)."""
        heavy = look_at(self.make()).heavy
        if heavy:
            warnings.warn(
                f"importing {self.component.__module__} loads {', '.join(heavy)}, which takes seconds even when "
                "a recipe is only checked. Import that inside methods, or put networks into a module of their own.",
                ContractAdvice,
                stacklevel=1,
            )
