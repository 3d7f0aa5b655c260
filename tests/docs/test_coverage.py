"""Whatever can be used is documented: hooks, contracts, public names, promises, recipe, commands, options."""

import inspect
import re

import pytest
from kdkit_cli.main import build_app
from source import DOCS, generate
from typer.main import get_command

import kdkit
import kdkit.testing
from kdkit import hookspecs
from kdkit.contracts.component import Component
from kdkit.plugins.registry import discover
from kdkit.recipe.schema import Recipe, part_of


@pytest.fixture(scope="session")
def site(html):
    """The text of every page of the site."""
    return {str(path.relative_to(html)): path.read_text(encoding="utf-8") for path in html.rglob("*.html")}


def identifiers(page):
    return set(re.findall(r'id="([^"]+)"', page))


def hooks():
    return [name for name, value in vars(hookspecs).items() if hasattr(value, "kdkit_spec")]


def contracts():
    return [
        name
        for name in kdkit.__all__
        if inspect.isclass(getattr(kdkit, name)) and issubclass(getattr(kdkit, name), Component)
    ]


def recipe_keys(model=Recipe, path=""):
    for name, field in model.model_fields.items():
        yield path + name
        part = part_of(field)
        if part and "name" not in part.model_fields:
            yield from recipe_keys(part, f"{path}{name}.")


def test_the_site_is_built_without_a_warning_and_can_be_searched(site):
    assert "index.html" in site
    assert "search.html" in site


def test_every_hook_has_a_page(site):
    assert len(hooks()) >= 6
    for name in hooks():
        assert f"kdkit.hookspecs.{name}" in identifiers(site[f"reference/generated/hooks/{name}.html"])


def test_every_contract_has_a_page_with_all_of_its_methods(site):
    assert len(contracts()) >= 7
    for name in contracts():
        found = identifiers(site[f"reference/generated/contracts/{name.lower()}.html"])
        cls = getattr(kdkit, name)
        methods = [m for m, value in vars(cls).items() if not m.startswith("_") and inspect.isroutine(value)]
        assert {f"kdkit.{name}", *(f"kdkit.{name}.{method}" for method in methods)} <= found


def test_every_public_name_is_described(site):
    found = set().union(*map(identifiers, site.values()))
    names = [name for name in kdkit.__all__ if not name.startswith("__")]
    assert [name for name in names if f"kdkit.{name}" not in found] == []
    assert [name for name in kdkit.testing.__all__ if f"kdkit.testing.{name}" not in found] == []
    classes = [name for name in names if inspect.isclass(getattr(kdkit, name))]
    assert [name for name in classes if not (vars(getattr(kdkit, name)).get("__doc__") or "").strip()] == []


def test_every_public_method_says_what_it_does():
    silent = [
        f"{name}.{method}"
        for name in contracts()
        for method, value in inspect.getmembers(getattr(kdkit, name), inspect.isroutine)
        if not method.startswith("_") and not inspect.getdoc(value)
    ]
    assert silent == []


def test_every_promise_is_told():
    page = generate.testing_page()
    for name in kdkit.testing.__all__:
        contract = getattr(kdkit.testing, name)
        for test, value in vars(contract).items():
            if test.startswith("test_"):
                assert inspect.getdoc(value), f"{name}.{test} does not say what is promised"
                assert generate.first_line(value) in page


def test_every_command_argument_and_option_is_described(site):
    text = generate.command_line_page()
    sections = dict(part.partition("\n")[::2] for part in text.split("\n## "))
    anchors = identifiers(site["reference/generated/command-line.html"])
    every = dict(generate.commands(get_command(build_app()), "kdkit"))
    assert len(every) > 10
    for name, command in every.items():
        assert name.replace(" ", "-") in anchors
        assert command.help and generate.first(command.help) in sections[name], f"{name} has no help"
        for parameter in command.params:
            if parameter.name != "help":
                assert parameter.help, f"{name}: {parameter.name} has no help"
                assert generate.parameter_row(parameter) in sections[name]


def test_every_key_of_a_recipe_is_described():
    page = generate.recipe_page()
    for key in recipe_keys():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{key}` ")), "")
        assert row, f"{key} is missing"
        assert row.split(" | ")[-1].strip(" |"), f"{key} says nothing"


def test_every_component_and_option_of_the_bundled_plugins_is_described():
    registry = discover({})
    for kind in generate.KINDS:
        page = generate.components_page(kind, registry)
        for name in generate.bundled(kind, registry):
            assert f"## {name}\n" in page
            for option, field in registry.component(kind, name).Options.model_fields.items():
                assert field.description, f"{name}.{option} has no description"
                assert f"| `{option}` |" in page


@pytest.mark.parametrize(
    "variable",
    ["KDKIT_LARGEST_FILE", "KDKIT_HOME", "KDKIT_DISABLE_PLUGINS", "KDKIT_STRICT_PLUGINS", "KDKIT_TRACE_PLUGINS"],
)
def test_every_environment_variable_is_described(variable):
    assert variable in generate.command_line_page()


def test_no_other_environment_variable_is_read():
    code = "".join(
        path.read_text(encoding="utf-8") for root in ("kdkit", "cli") for path in (DOCS.parent / root).rglob("*.py")
    )
    page = generate.command_line_page()
    assert [name for name in sorted(set(re.findall(r"\bKDKIT_[A-Z_]+\b", code))) if name not in page] == []
