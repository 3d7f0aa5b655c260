"""Typical mistakes of plugin authors, each made in the template of a domain, and what verify should say of it."""

from __future__ import annotations

from pathlib import Path

import kdkit_cli.new_command
import mistakes_after_labelling
import mistakes_before_training

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


def make_project(folder: Path, name: str) -> Path:
    """The template's project in ``folder``, with the mistake of this name in it, "" for none."""
    mistake = {mistake.name: mistake for mistake in MISTAKES}.get(name)
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
