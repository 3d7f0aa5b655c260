"""What a change makes anew: exactly what depends on it, from samples to report, and nothing else."""

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages import evaluate, report
from kdkit.stages.pipeline import STAGE_NAMES, STAGES, run_stages

TOY = Path(__file__).parents[2] / "toy"
HELPER = "MARGIN = 1\nSTEEPNESS = 16\nUNUSED = 0\n"
DOMAIN = '''"""Bright stripes in one file, with a module beside it."""

from pathlib import Path

import numpy as np

from kdkit import ComponentOptions, Domain, Entry, Field, Generator, Metric, Sample, Student, Teacher, hookimpl


class Stripes(Generator):
    class Options(ComponentOptions):
        brightness: int = 200

    def generate(self, indices):
        for index in indices:
            yield Sample(self.rng(index).integers(0, self.options.brightness, (8, 8), dtype=np.uint8))


class Bright(Teacher):
    class Options(ComponentOptions):
        weights: Path | None = None
        address: str = "here"

    incidental = frozenset({"address"})

    def files(self):
        return [self.options.weights / "net.bin"] if self.options.weights else []

    def build(self):
        from stale_helper import STEEPNESS

        return STEEPNESS


class Gain(Student):
    inputs = "(batch, height, width) uint8"

    class Options(ComponentOptions):
        width: int = 1

    def build(self):
        raise NotImplementedError


class Right(Metric):
    higher_is_better = True

    class Options(ComponentOptions):
        threshold: float = 0.5

    def measure(self, prediction, sample):
        return [(float((prediction > self.options.threshold).mean()),)]


class Stale(Domain):
    activation = "sigmoid"
    recipe = """
        generator: {name: stripes}
        teacher: {name: bright}
        student: {name: gain}
        objective: {name: soft-bce}
        samples: {train: 8, validation: 2, evaluation: 4}
        training: {epochs: 3, batch_size: 4}
        evaluation: {metrics: [right]}
        controls: [{name: control, generator: {name: noise, shape: [8, 8]}}]
        trainer: {accelerator: cpu, devices: 1, workers: 1}
    """

    def figures(self, cases):
        return []


@hookimpl
def kdkit_generators():
    return [Entry("stripes", "Stripes", f"{__name__}:Stripes")]


@hookimpl
def kdkit_teachers():
    return [Entry("bright", "Bright", f"{__name__}:Bright")]


@hookimpl
def kdkit_students():
    return [Entry("gain", "Gain", f"{__name__}:Gain")]


@hookimpl
def kdkit_metrics():
    return [Entry("right", "Right", f"{__name__}:Right")]


@hookimpl
def kdkit_domains():
    return [Entry("stale", "Stripes", f"{__name__}:Stale")]
'''

PREDICTIONS = ("predictions", "scores", "report")
STUDENT = ("student", *PREDICTIONS)
TARGETS = ("targets", *STUDENT)
EVERYTHING = ("samples", *TARGETS)
STUDENT_AND_CONTROL = ("student", "control", *PREDICTIONS)


class Lab:
    """A folder with the domain, weights and pictures, and the settings of one run of it."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.settings = {"teacher.weights": str(folder / "weights")}
        self.home = folder / "home"

    def write(self):
        (self.folder / "stale_domain.py").write_text(DOMAIN)
        (self.folder / "stale_helper.py").write_text(HELPER)
        (self.folder / "weights").mkdir()
        (self.folder / "weights" / "net.bin").write_bytes(b"weights")
        pictures = self.folder / "pictures"
        pictures.mkdir()
        for number in range(14):
            Image.fromarray(np.full((8, 8), number, np.uint8)).save(pictures / f"{number:02d}.png")

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def take_pictures(self):
        self.settings |= {"generator": f"{{name: folder, path: {self.folder / 'pictures'}, colour: gray}}"}

    def move(self, name, to):
        (self.folder / to).parent.mkdir(exist_ok=True)
        (self.folder / name).rename(self.folder / to)
        for key, value in self.settings.items():
            self.settings[key] = value.replace(str(self.folder / name), str(self.folder / to))

    def parts(self):
        """The fingerprint of everything that the run makes, and how many samples there are of it."""
        for name in ("stale_domain", "stale_helper"):
            self.monkeypatch.delitem(sys.modules, name, raising=False)
        self.monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(self.folder)])
        importlib.invalidate_caches()
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        experiment = load_experiment(discover({}), str(self.folder / "stale_domain.py"), None, settings)
        run = Run(experiment, RunFolder(self.folder / "run"), self.home / "store", Silence())
        student, *others = run.arms
        controls = [arm for arm in others if arm.model == "control"]
        return {
            "samples": student.training.split.samples.fingerprint,
            "targets": student.training.fingerprint,
            "student": student.fingerprint,
            "control": controls[0].fingerprint if controls else None,
            "predictions": run.prediction_fingerprint(student),
            "scores": evaluate.fingerprint(run),
            "report": report.fingerprint(run),
        }


def set_to(**settings):
    def change(lab):
        lab.settings |= {key.replace("__", "."): value for key, value in settings.items()}

    return change


def edit(name, old, new):
    return lambda lab: lab.edit(name, old, new)


def add(name):
    def change(lab):
        (lab.folder / name).parent.mkdir(exist_ok=True)
        (lab.folder / name).write_bytes(b"left by a file manager")

    return change


def touch(name):
    return lambda lab: os.utime(lab.folder / name, ns=(1, 1))


def move(name, to):
    return lambda lab: lab.move(name, to)


def change_byte(name):
    """With size and time of last change as they were."""

    def change(lab):
        file = lab.folder / name
        status, data = file.stat(), bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change


def move_home(lab):
    lab.home = lab.folder / "elsewhere"


def own_controls(*controls):
    return set_to(controls=f"[{', '.join(controls)}]")


NOISE = "{name: control, generator: {name: noise, shape: [8, 8]}}"
OWN_EVALUATION = "{name: noise, shape: [8, 8], grain: 4}"
OF_CONTROL = ("control", "scores", "report")
EVERYTHING_AND_CONTROL = (*EVERYTHING, "control")

# What changes, how, and what is then made anew. The control learns from noise, and from the same teacher.
OF_THE_DOMAIN = {
    "nothing": (lambda lab: None, ()),
    "seed": (set_to(seed="1"), EVERYTHING_AND_CONTROL),
    "option of the generator": (set_to(generator__brightness="100"), EVERYTHING),
    "default of an option written out": (set_to(generator__brightness="200"), ()),
    "another generator": (set_to(generator="{name: noise, shape: [8, 8], grain: 2}"), EVERYTHING),
    "option of the teacher": (set_to(teacher__address="there"), ()),
    "byte of the weights": (change_byte("weights/net.bin"), (*TARGETS, "control")),
    "touched weights": (touch("weights/net.bin"), ()),
    "weights in another place": (move("weights", "mount/weights"), ()),
    "note beside the weights": (add("weights/.DS_Store"), ()),
    "option of the student": (set_to(student__width="2"), STUDENT_AND_CONTROL),
    "epochs": (set_to(training__epochs="4"), STUDENT_AND_CONTROL),
    "batch size": (set_to(training__batch_size="2"), STUDENT_AND_CONTROL),
    "learning rate": (set_to(training__learning_rate="0.01"), STUDENT_AND_CONTROL),
    "seeds": (set_to(training__seeds="2"), ("scores", "report")),
    "objective": (set_to(objective="{name: soft-dice}"), STUDENT_AND_CONTROL),
    "weight of the only objective": (set_to(objective="[{name: soft-bce, weight: 3}]"), ()),
    "weight of one of two": (
        set_to(objective="[{name: soft-bce}, {name: soft-dice, weight: 3}]"),
        STUDENT_AND_CONTROL,
    ),
    "training samples, more": (set_to(samples__train="9"), STUDENT_AND_CONTROL),
    "validation samples": (set_to(samples__validation="3"), STUDENT_AND_CONTROL),
    "precision": (set_to(trainer__precision="bf16-mixed"), (*TARGETS, "control")),
    "devices": (set_to(trainer__devices="2"), ()),
    "machines": (set_to(trainer__num_nodes="2"), ()),
    "workers": (set_to(trainer__workers="3"), ()),
    "accelerator": (set_to(trainer__accelerator="auto"), ()),
    "metric added": (set_to(evaluation__metrics="[right, {name: right, label: all, threshold: 0}]"), PREDICTIONS[1:]),
    "option of a metric": (set_to(evaluation__metrics="[{name: right, threshold: 0.9}]"), PREDICTIONS[1:]),
    "margin": (set_to(evaluation__margin="{right: 0.1}"), PREDICTIONS[1:]),
    "evaluation on another source": (set_to(evaluation__generator=OWN_EVALUATION), STUDENT),
    "control left out": (own_controls(), OF_CONTROL),
    "control added": (own_controls(NOISE, "{targets: untrained-teacher}"), OF_CONTROL[1:]),
    "epochs of the control": (own_controls(NOISE.replace("}}", "}, epochs: 1}")), OF_CONTROL),
    "samples of the control": (own_controls(NOISE.replace("}}", "}, samples: 2}")), OF_CONTROL),
    "source of the control": (own_controls(NOISE.replace("}}", ", grain: 2}}")), OF_CONTROL),
    "place of runs and store": (move_home, ()),
    "helper module": (edit("stale_helper.py", "16", "17"), EVERYTHING_AND_CONTROL),
    "comment in the domain": (edit("stale_domain.py", "class Gain", "# a note\nclass Gain"), ()),
    "comment in the helper": (edit("stale_helper.py", "MARGIN", "# a note\nMARGIN"), ()),
    "code of the domain": (edit("stale_domain.py", "prediction > ", "prediction >= "), EVERYTHING_AND_CONTROL),
    "default in the recipe": (edit("stale_domain.py", "epochs: 3", "epochs: 5"), STUDENT_AND_CONTROL),
    "another file beside the domain": (add("other.py"), ()),
}
OF_PICTURES = {
    "nothing": (lambda lab: None, ()),
    "hidden file": (add("pictures/.DS_Store"), ()),
    "hidden copy of a picture": (add("pictures/._03.png"), ()),
    "file of Windows": (add("pictures/Thumbs.db"), ()),
    "touched picture": (touch("pictures/03.png"), ()),
    "touched folder": (touch("pictures"), ()),
    "moved folder": (move("pictures", "mount/pictures"), ()),
    "renamed picture": (move("pictures/03.png", "pictures/x3.png"), EVERYTHING),
    "byte of a picture": (change_byte("pictures/03.png"), EVERYTHING),
    "training samples, fewer": (set_to(samples__train="7"), STUDENT_AND_CONTROL),
    "evaluation samples": (set_to(samples__evaluation="3"), EVERYTHING),
}


@pytest.fixture
def lab(home, tmp_path, monkeypatch):
    lab = Lab(tmp_path, monkeypatch)
    lab.write()
    return lab


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """What the run makes before anything changes, of stripes and of pictures; of other copies of the same files."""
    parts = {}
    for kind in ("stripes", "pictures"):
        with pytest.MonkeyPatch.context() as patched:
            folder = tmp_path_factory.mktemp(kind)
            patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            lab = Lab(folder, patched)
            lab.write()
            if kind == "pictures":
                lab.take_pictures()
            parts[kind] = lab.parts()
    return parts


def differing(before, after):
    return {part for part, fingerprint in before.items() if after[part] != fingerprint}


@pytest.mark.parametrize("name", OF_THE_DOMAIN)
def test_what_a_change_makes_anew(lab, before, name):
    change, expected = OF_THE_DOMAIN[name]
    change(lab)
    assert differing(before["stripes"], lab.parts()) == set(expected)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_what_a_change_of_pictures_makes_anew(lab, before, name):
    lab.take_pictures()
    lab.parts()  # the files are remembered as they were
    change, expected = OF_PICTURES[name]
    change(lab)
    assert differing(before["pictures"], lab.parts()) == set(expected)


def test_evaluation_samples_of_a_source_of_their_own_train_nothing_again(lab):
    lab.settings |= {"evaluation.generator": OWN_EVALUATION}
    before = lab.parts()
    lab.settings |= {"samples.evaluation": "3"}
    assert differing(before, lab.parts()) == {"scores", "report"}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, toy_run):
    """A small run of the toy domain, whole to the end, and how to look at it with other settings."""
    sizes = ("samples.train=4", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        run = toy_run(home, *sizes)
        assert run_stages(run) == STAGE_NAMES
        yield lambda *settings: Run(toy_run(home, *sizes, *settings).experiment, run.folder, run.root, Silence())


OF_STAGES = {
    "training.learning_rate=0.2": ["distill", "predict", "evaluate", "report"],
    "generator.frames=5": STAGE_NAMES,
    "teacher.threshold=0.4": STAGE_NAMES[1:],
    "student.gain=2": STAGE_NAMES[2:],
    "evaluation.margin={overlap: 0.1}": ["evaluate", "report"],
    "trainer.workers=2": [],
    "trainer.devices=2": [],
}


@pytest.mark.parametrize("setting", OF_STAGES)
def test_the_stages_of_what_is_stale_are_not_whole(whole_run, setting):
    run = whole_run(setting)
    assert [stage.name for stage in STAGES if not stage.is_whole(run)] == OF_STAGES[setting]


def test_more_training_samples_are_appended(whole_run):
    run = whole_run("samples.train=6")
    samples, targets = run.arms[0].training.split.samples.store, run.arms[0].training.targets
    assert samples.missing_ranges(0, 11) == targets.missing_ranges(5, 11) == [(9, 11)]
