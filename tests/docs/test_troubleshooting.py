"""Every message in the failure table is what kdkit says when that plugin is installed."""

import re

import pytest
from faults import BROKEN_COMPONENTS, BROKEN_PLUGINS, hook, points_at
from source import DOCS

from kdkit.errors import PluginError
from kdkit.plugins.registry import discover

PAGE = (DOCS / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")


def plain(reason, folder):
    """A message without what depends on the place of installation."""
    return re.sub(r"\(/\S*/(\w+\.py)", r"(\1", reason.replace(f"{folder}/", ""))


@pytest.mark.parametrize("fault", BROKEN_PLUGINS)
def test_the_page_knows_what_is_said_of_a_broken_plugin(fault, install, tmp_path):
    code, entry_point = BROKEN_PLUGINS[fault]
    install(**({"entry_point": entry_point} if entry_point else {}), old_hooks=code)
    (found,) = [p for p in discover({}).plugins if p.name == "old-thing"]
    assert found.state == "broken"
    assert f"`{plain(found.reason, tmp_path)}`" in PAGE


@pytest.mark.parametrize("fault", BROKEN_COMPONENTS)
def test_the_page_knows_what_is_said_of_a_component_that_cannot_be_used(fault, install, tmp_path):
    target, code = BROKEN_COMPONENTS[fault]
    install(old_hooks=points_at(target), old_parts=code)
    with pytest.raises(PluginError) as caught:
        discover({}).component("teacher", "old-teacher")
    start = "the teacher 'old-teacher' of the plugin old-thing (kdkit-old-thing 0.2) "
    assert caught.value.message.startswith(start)
    assert f"`{plain(caught.value.message.removeprefix(start), tmp_path)}`" in PAGE


def test_the_page_knows_that_a_name_may_be_taken(install):
    install(old_hooks=hook("return [Entry('noise', 'Old noise', 'old_parts:Old')]", "generator"))
    (found,) = [p for p in discover({}).plugins if p.name == "old-thing"]
    assert found.state == "active"
    assert f"`{found.reason}`" in PAGE


def test_the_page_knows_that_a_plugin_may_print(install):
    install(old_hooks="print('hello')\n" + points_at("old_parts:Old"))
    (found,) = [p for p in discover({}).plugins if p.name == "old-thing"]
    assert found.state == "active"
    assert f"`{found.reason}`" in PAGE
