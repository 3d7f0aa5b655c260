"""``--out``: a place that cannot be written is told by every command before it does anything."""

import os
from pathlib import Path

import pytest
import typer.main
from kdkit_cli.main import build_app

PROGRAM = typer.main.get_command(build_app())


def commands(group, path=()):
    """Every command that has ``--out``, as the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        elif any("--out" in option.opts for option in command.params):
            yield (*path, name)


COMMANDS = sorted(commands(PROGRAM))


def call(cli, command, out):
    """The command with as many words as it needs, none of which exists: ``--out`` is looked at first."""
    parser = PROGRAM
    for name in command:
        parser = parser.commands[name]
    required = [parameter for parameter in parser.params if parameter.required and "--out" not in parameter.opts]
    words = []
    for parameter in required:
        value = "metric" if "--kind" in parameter.opts else "absent"
        words += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return cli(*command, *words, "--out", out)


def test_the_commands_are_found():
    assert {("run",), ("predict",), ("compare",), ("export",), ("plugins", "new")} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_on_the_way_is_told(cli, home, tmp_path, command):
    (tmp_path / "mine").write_text("mine")
    result = call(cli, command, tmp_path / "mine" / "deeper" / "x")
    assert result.code == 2 and f"{tmp_path / 'mine'} is a file" in result.err and "another folder" in result.err
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != ("compare",)], ids=" ".join)
def test_a_file_in_place_of_the_folder_is_told(cli, home, tmp_path, command):
    (tmp_path / "mine").write_text("mine")
    result = call(cli, command, tmp_path / "mine")
    assert result.code == 2 and f"{tmp_path / 'mine'} is a file" in result.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_in_place_of_a_file_is_told(cli, home, tmp_path):
    result = call(cli, ("compare",), tmp_path)
    assert result.code == 2 and f"{tmp_path} is a folder" in result.err and "page.html" in result.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_where_nothing_can_be_made_is_told(cli, home, command):
    result = call(cli, command, Path("/proc/kdkit/x"))
    assert result.code == 1 and "cannot write /proc/kdkit/x" in result.err and "--out" in result.err


def test_a_folder_that_may_not_be_written_is_told(cli, home, tmp_path, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and real(path, mode))
    result = call(cli, ("predict",), tmp_path / "new")
    assert result.code == 1 and f"cannot write {tmp_path / 'new'}: nothing may be written in {tmp_path}" in result.err


def test_nothing_is_left_where_the_command_then_fails(cli, home, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert call(cli, ("predict",), tmp_path / "a" / "b").code == 2
    assert sorted(tmp_path.rglob("*")) == before
