"""The promises of every component, each against one that breaks it."""

import numpy as np
import pytest
from breaking import SLOW, check_only, verdict_on
from pydantic import ConfigDict, field_serializer

from kdkit import ComponentOptions, Field, Generator, Sample
from kdkit.contracts.component import fingerprint_of
from kdkit.testing import GeneratorContract
from kdkit.testing.component import ComponentContract
from kdkit.testing.suite import promises


class Squares(Generator):
    """Squares of random brightness."""

    class Options(ComponentOptions):
        size: int = Field(7, ge=2, description="Side in pixels.")
        bright: bool = Field(False, description="Whether all are bright.")

    def generate(self, indices):
        for index in indices:
            image = self.rng(index).integers(0, 256, (self.options.size,) * 2, dtype=np.uint8)
            yield Sample(image | 128 if self.options.bright else image)


class NoDocstring(Squares):
    pass


NoDocstring.__doc__ = None


class FutureContract(Squares):
    """Written for contracts that are not there yet."""

    contract_version = 99


class BareOption(Squares):
    """An option without a description."""

    class Options(Squares.Options):
        shade: int = 3


class AnyOption(Squares):
    """Accepts whatever it is given."""

    class Options(Squares.Options):
        model_config = ConfigDict(extra="ignore")


class LossyOption(Squares):
    """Writes an even size in place of an odd one."""

    class Options(Squares.Options):
        @field_serializer("size")
        def _even(self, size):
            return size // 2 * 2


class SaltedFingerprint(Squares):
    """Python's hash of a text is another in each process."""

    def fingerprint(self):
        return fingerprint_of(mine=super().fingerprint(), salt=hash("squares"))


class ForgetfulFingerprint(Squares):
    """The options do not count."""

    def fingerprint(self):
        return fingerprint_of(**self.identity(), seed=self.seed)


class OldFingerprint(Squares):
    """The version does not count."""

    def fingerprint(self):
        return fingerprint_of(options=self.options.model_dump(), seed=self.seed)


class Needy(Squares):
    """Cannot be made without being told something."""

    class Options(ComponentOptions):
        model: str = Field(description="Which one.")
        size: int = Field(4, description="Side in pixels.")
        bright: bool = Field(False, description="Whether all are bright.")


class Exemplary(Needy):
    """Says itself how it is tried out."""

    @classmethod
    def example_options(cls, folder):
        assert folder.is_dir()
        return {"model": "this"}


BROKEN = [
    (NoDocstring, "test_it_says_what_it_is"),
    (FutureContract, "test_contract_version_is_known"),
    (BareOption, "test_every_option_is_described"),
    (AnyOption, "test_unknown_option_is_refused"),
    (LossyOption, "test_options_survive_a_recipe"),
    (SaltedFingerprint, "test_fingerprint_is_stable"),
    (ForgetfulFingerprint, "test_fingerprint_depends_on_options"),
    (OldFingerprint, "test_fingerprint_depends_on_version"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, GeneratorContract, component)


def test_every_promise_has_a_breaker():
    broken = {test for _, test in BROKEN}
    # What a heavy import gives is an advice; see test_suite.py.
    assert set(promises(ComponentContract)) - broken == {"test_importing_it_is_cheap"}


def test_a_component_without_its_options_is_not_verified():
    verdict = verdict_on(GeneratorContract, Needy)
    assert (verdict.kept, verdict.broken) == ([], [])
    assert verdict.unverified == "needs options model; give them as Needy.example_options"


def test_a_component_can_say_how_it_is_tried_out():
    assert verdict_on(GeneratorContract, Exemplary, SLOW).broken == []


def test_options_of_the_contract_come_first():
    assert verdict_on(GeneratorContract, Needy, SLOW, options={"model": "that"}).broken == []


def test_wrong_options_are_told():
    (broken,) = verdict_on(GeneratorContract, Squares, options={"size": "no number"}).broken
    assert "size" in broken.what
