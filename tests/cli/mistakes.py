"""Typical mistakes of plugin authors, each made in the template of a domain, and what verify should say of it.

:func:`verify_mistake` is called in forks of a process that has imported the heavy libraries.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import kdkit_cli.new_command
import kdkit_cli.verify_command  # what takes long is imported before the forks
import mistakes_after_labelling
import mistakes_before_training
from kdkit_cli.main import main
from mistake import Mistake

import kdkit.engine.training
import kdkit.stages.pipeline
import kdkit.testing.project
import kdkit.testing.verify  # noqa: F401

MISTAKES = [*mistakes_before_training.MISTAKES, *mistakes_after_labelling.MISTAKES]
# One of each kind: these are tried whenever anything is.
TELLING = {
    "an activation misspelt",
    "a name that is not defined",
    "a teacher's build without return",
    "logits without gradients",
    "a loss that fails",
    "a number for cases",
    "half an item",
    "an overview that cannot be drawn",
}


def verify_mistake(argument: dict[str, str]) -> str:
    """What ``kdkit plugins verify`` prints of the template in ``folder`` with the mistake ``name``, "" for none."""
    mistakes = {mistake.name: mistake for mistake in MISTAKES}
    folder = make_project(Path(argument["folder"]), mistakes.get(argument["name"]))
    return call_main("plugins", "verify", str(folder))


def run_mistake(argument: dict[str, str]) -> str:
    """What a small ``kdkit run`` prints of the same project, found through an entry point as an installed one is."""
    mistakes = {mistake.name: mistake for mistake in MISTAKES}
    folder = make_project(Path(argument["folder"]), mistakes.get(argument["name"]))
    information = folder / "kdkit_leaf-0.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: kdkit-leaf\nVersion: 0.1\n")
    (information / "entry_points.txt").write_text("[kdkit]\nleaf = kdkit_leaf.plugin\n")
    sys.path.insert(0, str(folder))
    sizes = ["samples.train=4", "samples.validation=2", "samples.evaluation=4", "training.epochs=1"]
    settings = [word for size in sizes for word in ("--set", size)]
    return call_main("run", "leaf", "--out", str(folder / "run"), *settings)


def call_main(*words: str) -> str:
    """What the command prints, and its exit code."""
    sys.argv = ["kdkit", *words]
    printed, code = io.StringIO(), None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as error:
            code = error.code
    return f"{printed.getvalue()}\nexit code {code or 0}"


def make_project(folder: Path, mistake: Mistake | None) -> Path:
    """The template's project in ``folder``, with the mistake in it."""
    files = kdkit_cli.new_command.project_files("leaf", "domain")
    for file, old, new in [(mistake.file, mistake.old, mistake.new), *mistake.more] if mistake else []:
        path = f"kdkit_leaf/{file}"
        text = files.pop(path)
        assert old == "*" or old in text, f"{mistake}: {old}"
        if old != "*":
            files[path] = text.replace(old, new) if old else text + new
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
