"""The recipes on the page about teachers name what there is."""

import re

import pytest
import yaml
from source import DOCS

from kdkit.plugins.registry import discover

PAGE = (DOCS / "teachers.md").read_text(encoding="utf-8")
RECIPES = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)]


def choices():
    for recipe in RECIPES:
        teacher = recipe["teacher"]
        yield teacher
        yield from teacher.get("members", [])


@pytest.mark.parametrize("choice", list(choices()), ids=lambda choice: choice["name"])
def test_a_recipe_s_options_exist_and_are_valid_but_for_its_files(choice, tmp_path):
    options = {key: value for key, value in choice.items() if key not in ("name", "members")}
    for key in ("file", "weights", "token_file"):
        if key in options:
            (tmp_path / key).write_bytes(b"")
            options[key] = tmp_path / key
    if choice["name"] == "ensemble":
        options["members"] = [{"name": "callable", "path": "kdkit_teachers.example:brightness"}] * 2
    discover({}).component("teacher", choice["name"]).Options.model_validate(options)


def test_every_teacher_of_the_plugin_has_a_section_and_a_recipe():
    (plugin,) = [plugin for plugin in discover({}).plugins if plugin.name == "teachers"]
    names = {entry.name for entry in plugin.entries["teacher"]}
    assert names == set(re.findall(r"^## ([a-z]+)$", PAGE, re.M)) == {recipe["teacher"]["name"] for recipe in RECIPES}
