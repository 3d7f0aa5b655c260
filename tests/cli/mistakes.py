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
    said_by_run: tuple[str, ...] = ()


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
    Mistake(
        "strings for samples",
        "generator.py",
        "            yield Sample(",
        '            yield f"disc-{index}"\n            continue\n            yield Sample(',
        ("asked for 4 samples, it yields 4 of str", "Yield one kdkit.Sample for each index"),
        said_by_run=("generator leaf-generator .* failed on samples 0 to 0: it yields a str, not a kdkit.Sample",),
    ),
    Mistake(
        "arrays for samples",
        "generator.py",
        "            yield Sample(",
        "            yield light\n            continue\n            yield Sample(",
        ("it yields 4 of ndarray",),
        said_by_run=("it yields a ndarray, not a kdkit.Sample",),
    ),
    Mistake(
        "a sample too few",
        "generator.py",
        "for index in indices:",
        "for index in list(indices)[1:]:",
        ("asked for 4 samples, it yields 3 of Sample",),
        said_by_run=("generator leaf-generator .* made 0 samples instead of 1",),
    ),
    Mistake(
        "the same sample each time",
        "generator.py",
        "self.rng(index)",
        "self.rng(0)",
        ("the same inputs: samples 0 and 1",),
    ),
    Mistake(
        "truth of lists",
        "generator.py",
        '"mask": mask.astype(np.uint8)',
        '"mask": mask.tolist()',
        ("cannot be stored|read back differently",),
        said_by_run=("generator leaf-generator .*truth .mask. of sample 0 is a list, not an array",),
    ),
    Mistake(
        "inputs that are no numbers",
        "generator.py",
        "np.clip(light, 0, 255).astype(np.uint8)",
        "light.astype(object)",
        ("sample 0 cannot be stored",),
        said_by_run=("generator leaf-generator .*array of object, which is not stored",),
    ),
    Mistake(
        "what cannot be pickled",
        "generator.py",
        "        size = self.options.size\n        y",
        "        size = self.options.size\n        self.scale = lambda x: x\n        y",
        ("it cannot be pickled",),
    ),
    Mistake(
        "class numbers for logits",
        "teacher.py",
        TEACHER_FORWARD,
        "                return (inputs.float() / 255 > threshold).long()",
        ("torch.int64",),
        said_by_run=("gives int64 .*class numbers or a mask, not logits", "without argmax or threshold"),
    ),
    Mistake(
        "not a number",
        "teacher.py",
        TEACHER_FORWARD,
        "                return (inputs.float() / 255 - threshold).log()",
        ("values are not finite",),
        said_by_run=("the teacher leaf-teacher gives logits that are not finite",),
    ),
    Mistake(
        "inputs are changed",
        "teacher.py",
        TEACHER_FORWARD,
        "                inputs.clamp_(max=100)\n" + TEACHER_FORWARD,
        ("forward changes its inputs",),
    ),
    Mistake(
        "scaled over the batch",
        "teacher.py",
        "/ 255 - threshold)",
        "/ 255 - threshold * inputs.float().std() / 50)",
        ("gives another prediction alone than in a batch",),
    ),
    Mistake(
        "no gradients",
        "teacher.py",
        TEACHER_FORWARD,
        TEACHER_FORWARD + ".detach()",
        ("no gradient reaches the inputs",),
    ),
    Mistake(
        "logits of half the size",
        "teacher.py",
        TEACHER_FORWARD,
        TEACHER_FORWARD + "[:, ::2]",
        (r"shapes \(32,32\) \(16,32\)", r"metric\.py, line"),
        said_by_run=(
            r"the teacher leaf-teacher gives logits \(16, 32\) for a sample of \(32, 32\), the student \(32, 32\)",
            r"Change the teacher's options \(threshold\) or the student's options \(channels\)",
        ),
    ),
    # The student.
    Mistake(
        "an axis too many",
        "student.py",
        "/ 255).squeeze(1)",
        "/ 255)",
        (r"the student \(1, 32, 32\)",),
        said_by_run=(r"the student \(1, 32, 32\)",),
    ),
    Mistake(
        "logits without gradients",
        "student.py",
        "/ 255).squeeze(1)",
        "/ 255).squeeze(1).detach()",
        ("no gradient can be computed",),
    ),
    Mistake(
        "inputs are not described",
        "student.py",
        'inputs = "(batch, height, width) uint8, 0..255, grayscale"',
        'inputs = ""',
        (r"LeafStudent.inputs is ''",),
    ),
    # The metric.
    Mistake(
        "a number for cases",
        "metric.py",
        "return [(2 * int((true & found).sum()) / total if total else 1.0,)]",
        "return 2 * int((true & found).sum()) / total if total else 1.0",
        ("One sample gives tuples of finite numbers",),
    ),
    Mistake(
        "a metric without unit",
        "metric.py",
        '    unit = ""\n',
        "",
        ("Set unit",),
    ),
    Mistake(
        "a truth that nothing gives",
        "metric.py",
        'sample.truth["mask"].astype',
        'sample.truth["masks"].astype',
        ("KeyError: 'masks'", r"metric\.py, line"),
        said_by_run=("the metric leaf-metric .*KeyError: 'masks'", r"metric\.py, line"),
    ),
    # The domain.
    Mistake(
        "an activation misspelt",
        "domain.py",
        'activation = "sigmoid"',
        'activation = "sigmod"',
        ("activation is 'sigmod'",),
    ),
    Mistake(
        "a margin of no metric",
        "domain.py",
        'margins = {"leaf-metric": 0.02}',
        'margins = {"leaf-metrik": 0.02}',
        ("margins names leaf-metrik", "did you mean leaf-metric"),
    ),
    Mistake(
        "suffixes without a dot",
        "domain.py",
        '(".npy",)',
        '("npy",)',
        ("input_suffixes holds 'npy'",),
    ),
    Mistake(
        "what damaged files raise",
        "domain.py",
        "except (OSError, ValueError, EOFError) as",
        "except KeyError as",
        (r"a damaged \.npy file raises ValueError",),
    ),
    Mistake(
        "a gray contact sheet",
        "domain.py",
        "return np.repeat(row[..., None], 3, axis=-1)",
        "return row",
        (r"sheet\(\) gives ndarray uint8",),
    ),
    Mistake(
        "a row of numpy numbers",
        "domain.py",
        "round(float((prediction >= 0.5).mean()), 4)",
        "(prediction >= 0.5).mean(dtype=np.float32)",
        ("is not plain",),
    ),
    Mistake(
        "half an item",
        "domain.py",
        "    def sheet(",
        "    def items(self, sample):\n        return 0.5\n\n    def sheet(",
        (r"items\(\) gives 0\.5",),
    ),
]


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
