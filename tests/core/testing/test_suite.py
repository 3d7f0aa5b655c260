"""Contracts as pytest and as ``kdkit plugins verify`` run them."""

import re
import textwrap

import pytest

from kdkit.contracts.component import Component
from kdkit.testing import GeneratorContract
from kdkit.testing.component import ComponentContract
from kdkit.testing.promise import does_not_apply, require
from kdkit.testing.suite import promises, run_contract

pytest_plugins = ["pytester"]


class Anything(Component):
    """A component."""

    kind = "generator"


class Contract(ComponentContract):
    component = Anything

    def check_examples(self):
        pass

    def test_kept(self):
        """Kept."""

    def test_broken(self):
        """Broken."""
        require(False, "it is green", "it should be red", "Paint it.")

    def test_not_for_this(self):
        """For others."""
        does_not_apply("it has no colour")

    def test_unforeseen(self):
        """It has a name."""
        raise KeyError("name")


class OneCause(ComponentContract):
    component = Anything

    def check_examples(self):
        pass

    def test_a_call_fails(self):
        """It can be called."""
        Contract.test_unforeseen(self)

    def test_another_call_fails(self):
        """It can be called again."""
        Contract.test_unforeseen(self)

    def test_a_remedy_is_given(self):
        """It is blue."""
        require(False, "it is green", "it should be blue", "Paint it.")

    def test_the_same_remedy_helps(self):
        """It is bluish."""
        require(False, "it is greenish", "it should be bluish", "Paint it.")


OTHERS = tuple(promises(ComponentContract))


def test_the_verdict_counts_what_applies():
    verdict = run_contract(Contract, leave_out=OTHERS)
    assert verdict.kept == ["test_kept"]
    assert [broken.test for broken in verdict.broken] == ["test_broken", "test_unforeseen"]
    assert str(verdict) == "1 of 3 promises kept"


def test_an_unforeseen_error_is_told_with_the_promise():
    _, unforeseen = run_contract(Contract, leave_out=OTHERS).broken
    assert re.fullmatch(r"It has a name\? KeyError: 'name' \(test_suite\.py, line \d+\)", unforeseen.what)


def test_one_cause_is_told_once():
    causes = set()
    verdict = run_contract(OneCause, OTHERS, causes)
    assert [broken.test for broken in verdict.broken] == ["test_a_call_fails", "test_a_remedy_is_given"]
    assert str(verdict) == "0 of 4 promises kept, 2 not tried because of what is broken"
    # Nor in another contract, whose promises meet the same line of code.
    assert [broken.test for broken in run_contract(Contract, OTHERS, causes).broken] == ["test_broken"]


def test_promises_of_every_component_come_first():
    names = list(promises(GeneratorContract))
    assert names[: len(OTHERS)] == list(OTHERS)
    assert len(names) == len(set(names)) == 20


def test_a_heavy_import_is_an_advice(tmp_path, hollow_jax):
    (tmp_path / "heavy_part.py").write_text(
        textwrap.dedent("""
            import jax
            from kdkit.contracts.component import Component

            class Part(Component):
                '''A part.'''
                kind = "generator"
            """)
    )
    from heavy_part import Part

    contract = type("Heavy", (ComponentContract,), {"component": Part})
    verdict = run_contract(contract)
    assert verdict.broken == []
    (advice,) = verdict.advice
    assert advice.startswith("importing heavy_part loads jax")


TEST_FILE = """
import numpy as np
from kdkit import ComponentOptions, Field, Generator, Sample
from kdkit.testing import GeneratorContract

class Lines(Generator):
    '''Lines.'''
    class Options(ComponentOptions):
        size: int = Field(4, description="Length.")

    def generate(self, indices):
        for index in indices:
            yield Sample(self.rng(index).random(self.options.size), info={"size": (1, 2)})

class TestLines(GeneratorContract):
    component = Lines
    options = {"size": 6}
"""


def test_pytest_runs_a_contract(pytester: pytest.Pytester):
    pytester.makepyfile(test_lines=TEST_FILE)
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=17, failed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "*BrokenPromiseError: info {'size': (1, 2)} is read back as {\"size\": [[]1, 2[]]}",
            "*Why it matters: info is stored as JSON beside the arrays",
            "*What to do: Use text, numbers, None, lists*",
            "*FAILED test_lines.py::TestLines::test_info_is_plain*",
        ]
    )


def test_an_author_can_give_options_that_need_files(pytester: pytest.Pytester):
    pytester.makepyfile(
        test_lines=TEST_FILE.replace(', info={"size": (1, 2)}', "").replace(
            'options = {"size": 6}',
            """
    @property
    def options(self):
        (self.folder / "size").write_text("5")
        return {"size": int((self.folder / "size").read_text())}
""",
        )
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=18, skipped=2)
