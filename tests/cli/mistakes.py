"""Typical mistakes of plugin authors, each made in the template of a domain, and what verify should say of it.

:func:`verify_mistake` is called in forks of a process that has imported the heavy libraries.
"""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import kdkit_cli.new_command
import kdkit_cli.verify_command  # what takes long is imported before the forks
from kdkit_cli.main import main

import kdkit.engine.training
import kdkit.stages.pipeline
import kdkit.testing.project
import kdkit.testing.verify  # noqa: F401


@dataclass(frozen=True)
class Mistake:
    """In ``file`` of the package ``old`` becomes ``new``; without ``old``, ``new`` is added; "*" removes the file.

    ``said``: regular expressions that what verify prints has to match; ``broken``: how many promises are broken, 0
    where it is an advice. ``is_quick``: it is told of before any network is built.
    """

    name: str
    file: str
    old: str
    new: str
    said: tuple[str, ...]
    broken: int = 1
    is_quick: bool = False


TEACHER_FORWARD = "                return 20 * (inputs.float() / 255 - threshold)"
SAMPLE = "np.clip(light, 0, 255).astype(np.uint8),"

MISTAKES = [
    # The entries.
    Mistake(
        "hook misspelt",
        "plugin.py",
        "def kdkit_teachers",
        "def kdkit_teacher",
        ("no hook kdkit_teacher; did you mean kdkit_teachers",),
        is_quick=True,
    ),
    Mistake(
        "a hook returns an entry, no list",
        "plugin.py",
        "",
        "\n\n@hookimpl\ndef kdkit_objectives():\n    return Entry('x', 'y', 'kdkit_leaf.metric:LeafMetric')\n",
        ("must return a list of kdkit.Entry",),
        is_quick=True,
    ),
    Mistake(
        "class missing",
        "teacher.py",
        "class LeafTeacher(",
        "class LeafTeechr(",
        ("kdkit_leaf.teacher has no LeafTeacher; did you mean LeafTeechr", "Correct the entry in kdkit_leaf.plugin"),
    ),
    Mistake(
        "module missing",
        "plugin.py",
        "kdkit_leaf.teacher:",
        "kdkit_leaf.techer:",
        ("No module named 'kdkit_leaf.techer'", "Correct the entry in kdkit_leaf.plugin"),
    ),
    Mistake(
        "no base class",
        "student.py",
        "class LeafStudent(Student)",
        "class LeafStudent",
        ("not a class derived from kdkit.Student", "Correct kdkit_leaf.student:LeafStudent"),
    ),
    Mistake(
        "hook module imports torch",
        "plugin.py",
        "from kdkit import",
        "import torch  # noqa\nfrom kdkit import",
        ("importing kdkit_leaf.plugin loads torch",),
    ),
    Mistake(
        "dependency not installed",
        "teacher.py",
        "from kdkit import",
        "import no_such_library\nfrom kdkit import",
        ("Install what offers no_such_library", "name it among its dependencies"),
    ),
    Mistake("syntax error", "metric.py", 'unit = ""', "unit = ", ("SyntaxError",)),
    # The recipe.
    Mistake("no recipe", "recipe.yaml", "*", "", ("recipe.yaml",)),
    Mistake(
        "a component's name misspelt",
        "recipe.yaml",
        "{name: leaf-student}",
        "{name: leaf-studnt}",
        ("did you mean leaf-student",),
    ),
    Mistake(
        "an option misspelt",
        "recipe.yaml",
        "{name: leaf-generator}",
        "{name: leaf-generator, sise: 16}",
        ("unknown option; did you mean size",),
    ),
    Mistake(
        "an objective of another activation", "recipe.yaml", "soft-bce", "kl", ("kl is for the activation softmax",)
    ),
    Mistake(
        "a window without aligned axes",
        "recipe.yaml",
        "epochs: 20,",
        "epochs: 20, window: 16,",
        ("does not say which axes",),
    ),
    # The generator.
    Mistake(
        "numpy's global generator",
        "generator.py",
        "rng = self.rng(index)",
        "rng = np.random.default_rng()",
        ("self.rng",),
        1,
    ),
    Mistake(
        "info of numpy numbers",
        "generator.py",
        'info={"name": f"disc-{index:05d}"}',
        'info={"name": f"disc-{index:05d}", "radius": np.float32(radius)}',
        ("JSON|plain|kept",),
    ),
    Mistake(
        "an option without description",
        "generator.py",
        'description="Height and width in pixels."',
        "",
        ("no description: size",),
    ),
    Mistake(
        "generator without docstring",
        "generator.py",
        '    """A bright disc on noise, uint8 (size, size); truth: its mask."""\n',
        "",
        ("has no docstring",),
    ),
    # The teacher.
    Mistake(
        "probabilities for logits",
        "teacher.py",
        TEACHER_FORWARD,
        TEACHER_FORWARD.replace("return 20", "return (20") + ").sigmoid()",
        ("these are probabilities, not logits",),
    ),
    Mistake(
        "scaled twice",
        "teacher.py",
        "inputs.float() / 255 -",
        "inputs.float() / 255 / 255 -",
        ("calls everything background",),
        0,
    ),
    Mistake("not scaled", "teacher.py", "inputs.float() / 255 -", "inputs.float() -", ("saturated",), 0),
    Mistake(
        "a name that is not defined",
        "teacher.py",
        "return 20 * (",
        "return scale * (",
        ("NameError: name 'scale' is not defined", r"teacher\.py, line"),
    ),
    Mistake(
        "the same for every input",
        "teacher.py",
        "return 20 * (inputs.float() / 255 - threshold)",
        "return 0 * inputs.float()",
        ("same value",),
    ),
]


def verify_mistake(argument: dict[str, str]) -> str:
    """What ``kdkit plugins verify`` prints of the template in ``folder`` with the mistake ``name``, "" for none."""
    mistakes = {mistake.name: mistake for mistake in MISTAKES}
    folder = make_project(Path(argument["folder"]), mistakes.get(argument["name"]))
    sys.argv = ["kdkit", "plugins", "verify", str(folder)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
        main()
    return printed.getvalue()


def make_project(folder: Path, mistake: Mistake | None) -> Path:
    """The template's project in ``folder``, with the mistake in it."""
    files = kdkit_cli.new_command.project_files("leaf", "domain")
    if mistake is not None:
        path = mistake.file.removeprefix("../") if mistake.file.startswith("../") else f"kdkit_leaf/{mistake.file}"
        text = files.pop(path)
        assert mistake.old == "*" or mistake.old in text, mistake.name
        if mistake.old != "*":
            files[path] = text.replace(mistake.old, mistake.new) if mistake.old else text + mistake.new
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
