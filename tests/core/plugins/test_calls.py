"""Calls of components: every fault names the component and its line, every answer is what the contract says."""

import ast
from pathlib import Path

import numpy as np
import pytest

import kdkit
from kdkit import Case, Domain, Generator, KdkitError, Metric, Sample
from kdkit.contracts.component import Origin
from kdkit.errors import PluginError
from kdkit.plugins.answers import ANSWERS
from kdkit.plugins.calls import blame, call

CORE = Path(kdkit.__file__).parent
SAMPLE = Sample(np.zeros((4, 4), np.uint8), info={"name": "patient 7"})
HERE = Path(__file__).name
# Verify tries methods out, contracts and components call their own, and the store stands below the plugins: of what
# fails there the command line's last resort tells.
OWN_CALLS = ("testing", "contracts", "objectives", "metrics", "store")


class Broken(Domain):
    """Fails in whatever it is asked."""

    origin = Origin("leaf", "kdkit-leaf", "0.3")

    def items(self, sample):
        return len(sample.inputs) // 0

    def overview(self, cases):
        yield from ()
        raise KeyError("late")

    def check_teacher(self, samples, predictions):
        raise PluginError("on purpose")

    def strata(self, sample):
        return [sample]

    def figures(self, cases):
        return iter(["PNG"])


class Sound(Domain):
    """Answers as it should."""

    def items(self, sample):
        return np.int64(len(sample.inputs))


def test_a_failure_names_component_method_sample_and_line():
    with pytest.raises(KdkitError) as caught:
        call(Broken().items, SAMPLE)
    assert caught.value.message == (
        "the domain leaf (kdkit-leaf 0.3) failed in items() on patient 7: "
        "ZeroDivisionError: integer division or modulo by zero"
    )
    line = Broken.items.__code__.co_firstlineno + 1
    assert caught.value.remedy.endswith(f"{HERE}, line {line}")


def test_an_iterator_has_its_errors_inside_the_call():
    with pytest.raises(KdkitError, match=r"the domain leaf .*failed in overview\(\): KeyError: 'late'"):
        call(Broken().overview, [])


def test_what_is_said_on_purpose_stays():
    with pytest.raises(PluginError, match=r"^on purpose$"):
        call(Broken().check_teacher, [], [])


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("strata", (SAMPLE,), r"strata\(\) gives a list of 1 Sample for patient 7"),
        ("figures", ([Case("best", 1.0, SAMPLE, {})],), r"figures\(\) gives a list of 1 str for patient 7"),
    ],
)
def test_a_wrong_answer_names_what_is_expected_and_where_it_begins(method, arguments, said):
    with pytest.raises(PluginError, match=rf"the domain leaf \(kdkit-leaf 0\.3\): {said}") as caught:
        call(getattr(Broken(), method), *arguments)
    line = getattr(Broken, method).__code__.co_firstlineno
    assert caught.value.remedy.startswith("Have it give ") and caught.value.remedy.endswith(f"{HERE}, line {line}")


def test_a_right_answer_is_given_back():
    assert call(Sound().items, SAMPLE) == 4
    assert list(call(Sound().figures, [])) == []
    assert call(Sound().strata, SAMPLE) == {}


def test_what_nobody_has_named_is_blamed_on_the_innermost_component():
    with pytest.raises(ZeroDivisionError) as caught:
        Broken().items(SAMPLE)
    known = blame(caught.value)
    assert known and known.message.startswith("the domain leaf (kdkit-leaf 0.3) failed in items(): ZeroDivisionError")


def test_an_error_of_no_component_is_blamed_on_none():
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 // 0
    assert blame(caught.value) is None


@pytest.mark.parametrize("contract", list(ANSWERS), ids=lambda contract: contract.__name__)
def test_every_described_answer_is_that_of_a_method(contract):
    assert all(callable(getattr(contract, method, None)) for method in ANSWERS[contract])


def bare_calls(source: str) -> list[str]:
    """Calls of components' methods that are neither arguments of ``call`` nor inside of what names the component."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        receiver = ast.unparse(node.func.value).rpartition(".")[2].lstrip("_")
        contract = RECEIVERS.get(receiver)
        if contract is None or node.func.attr not in ANSWERS[contract]:
            continue
        parent = node
        while (parent := parents.get(parent)) is not None:
            names = [ast.unparse(item.context_expr) for item in parent.items] if isinstance(parent, ast.With) else []
            if isinstance(parent, ast.Try) or any(name.partition("(")[0].endswith(GUARDS) for name in names):
                break
        else:
            found.append(ast.unparse(node))
    return found


RECEIVERS = {
    "domain": Domain,
    "examiner": Domain,
    "generator": Generator,
    "source": Generator,
    "metric": Metric,
    "teacher": kdkit.Teacher,
    "student": kdkit.Student,
    "objective": kdkit.Objective,
    "adversary": kdkit.Adversary,
}
GUARDS = ("name_component", "in_errors")
FILES = [path for path in sorted(CORE.rglob("*.py")) if path.relative_to(CORE).parts[0] not in OWN_CALLS]


def test_bare_calls_are_seen():
    assert bare_calls("x = self.domain.items(sample)") == ["self.domain.items(sample)"]
    assert bare_calls("x = call(domain.items, sample)") == []
    assert bare_calls("with name_component(domain, ''):\n    domain.items(sample)") == []


def test_the_core_calls_no_component_bare():
    bare = {str(path.relative_to(CORE)): bare_calls(path.read_text(encoding="utf-8")) for path in FILES}
    # Every caller of this one has named the generator, with the samples that it was asked for.
    bare["stages/generate.py"].remove("generator.generate(indices)")
    assert len(FILES) > 100 and {path: calls for path, calls in bare.items() if calls} == {}
