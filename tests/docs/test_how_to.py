"""The examples in the how-to pages and in the contracts' docstrings keep their contracts."""

import importlib
import inspect
import re
import sys
import textwrap

import numpy as np
import pytest
from source import DOCS

import kdkit
from kdkit.entry import KINDS
from kdkit.testing.component import ComponentContract
from kdkit.testing.suite import run_contract

PAGES = ["teacher", "generator", "student", "metric", "objective"]
IN_A_PROCESS = ("test_fingerprint_is_stable", "test_importing_it_is_cheap")
IMPORTS = "import numpy as np\nfrom kdkit import *\n\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write code into a module of its own, so that other processes find it, too, and import it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def load(name, code):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        written.append(name)
        return importlib.import_module(name)

    yield load
    for name in written:
        sys.modules.pop(name, None)


def example(kind):
    """The code after ``Example::`` in the docstring of a contract."""
    text = inspect.getdoc(getattr(kdkit, kind.capitalize())).partition("Example::\n")[2]
    return textwrap.dedent(text).strip().replace("'''", '"""') + "\n"


def component(loaded, kind):
    base = getattr(kdkit, kind.capitalize())
    own = [c for c in vars(loaded).values() if inspect.isclass(c) and c.__module__ == loaded.__name__]
    (found,) = [c for c in own if issubclass(c, base)]
    return found


def kept(contract, leave_out=()):
    verdict = run_contract(contract, leave_out)
    assert not verdict.unverified
    assert not verdict.broken
    assert verdict.kept


@pytest.mark.parametrize("page", PAGES)
def test_every_component_on_a_page_keeps_its_contract(page, module):
    text = (DOCS / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    code = "\n\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))
    loaded = module(f"page_{page}", code)
    own = [c for c in vars(loaded).values() if inspect.isclass(c) and c.__module__ == loaded.__name__]
    contracts = [c for c in own if issubclass(c, ComponentContract)]
    assert {c.component for c in contracts} == {c for c in own if issubclass(c, kdkit.Component)}
    for number, contract in enumerate(contracts):
        # All lie in one module: what another process makes of it is asked once.
        kept(contract, IN_A_PROCESS if number else ())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_the_example_of_the_docstring(page):
    text = (DOCS / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    assert re.sub(r"\n+", "\n", example(page)) in re.sub(r"\n+", "\n", text)


GIVEN = {
    "generator": {},
    "teacher": {"inputs": np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)},
    "student": {"inputs": np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)},
    "metric": {
        "cases": [
            (np.eye(4, dtype=np.float32)[i], kdkit.Sample(np.zeros(1), {"label": np.array(i % 2)})) for i in range(4)
        ]
    },
    "objective": {"output_shape": (10,)},
}


@pytest.mark.parametrize("kind", GIVEN)
def test_the_example_in_a_contract_s_docstring_keeps_the_contract(kind, module):
    loaded = module(f"example_{kind}", IMPORTS + example(kind))
    base = getattr(importlib.import_module("kdkit.testing"), f"{kind.capitalize()}Contract")
    # Pages begin with the same examples: what another process makes of them is asked there.
    kept(type("Tried", (base,), {"component": component(loaded, kind), **GIVEN[kind]}), IN_A_PROCESS)


def test_the_example_of_a_domain_runs(module):
    assert component(module("example_domain", IMPORTS + example("domain")), "domain")().activation == "sigmoid"


def test_every_contract_has_an_example():
    assert [kind for kind in KINDS if not example(kind).strip()] == []


def test_the_example_of_an_entry_is_one():
    code = textwrap.dedent(inspect.getdoc(kdkit.Entry).partition("Example::\n")[2])
    assert eval(code.strip(), {"Entry": kdkit.Entry}).faults() == []
