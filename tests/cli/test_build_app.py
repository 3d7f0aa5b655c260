"""One command is built alone, as it is among all of them."""

import inspect

import pytest
import typer
from kdkit_cli.main import COMMANDS, build_app

EVERY = typer.main.get_command(build_app())


def describe(command):
    """Name, help and options of a command and of those below it."""
    below = {name: describe(child) for name, child in sorted(getattr(command, "commands", {}).items())}
    parameters = [(p.name, p.opts, p.nargs, p.required, getattr(p, "help", None)) for p in command.params]
    return command.name, command.help, parameters, below


def test_every_command_has_its_module():
    assert list(COMMANDS) == list(EVERY.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_alone_is_what_it_is_among_all(name):
    alone = typer.main.get_command(build_app(name))
    assert describe(alone.commands[name]) == describe(EVERY.commands[name])
    assert describe(alone)[:3] == describe(EVERY)[:3]


def callbacks(command):
    if command.callback is not None:
        yield inspect.unwrap(command.callback)
    for child in getattr(command, "commands", {}).values():
        yield from callbacks(child)


def test_no_annotation_of_a_command_is_a_text():
    """Typer would compile each at every start."""
    found = list(callbacks(EVERY))
    assert len(found) > len(COMMANDS)
    for callback in found:
        texts = [name for name, kind in callback.__annotations__.items() if isinstance(kind, str)]
        assert texts == [], f"{callback.__module__}.{callback.__qualname__}"
