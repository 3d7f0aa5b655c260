"""Whatever lies in a run or a store may be cut off, empty, a byte off or gone: that is made again, and no more."""

import shutil
from pathlib import Path

import pytest

from kdkit.errors import KdkitError, WeightsError
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.runs.open_run import open_run
from kdkit.runs.student import read_student
from kdkit.stages.pipeline import run_stages

SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=2", "training.epochs=2", "controls=[]")
TOY = Path(__file__).parents[2] / "toy"


@pytest.fixture(scope="module")
def template(tmp_path_factory, toy_run):
    """The folder of a small run, whole to the end."""
    home = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        run_stages(toy_run(home, *SMALL))
    return home


@pytest.fixture
def whole_run(template, prepare, toy):
    shutil.copytree(template, toy)
    return prepare(*SMALL)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def nest(path):
    path.write_text("[" * 200_000)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {"truncated": truncate, "empty": empty, "a byte off": flip, "gone": Path.unlink, "nested": nest}
# Where it lies below the folder of runs and store, "RUN" being the run's: the stages that make it again.
FILES = {
    "store/samples/*/*.safetensors": ["generate"],
    "store/targets/*/*.safetensors": ["label"],
    "RUN/student/weights.safetensors": ["distill", "predict"],
    "RUN/student/card.json": ["distill"],
    "RUN/history/student.csv": ["distill"],
    "RUN/predictions/student/*/*.safetensors": ["predict"],
    "RUN/models.json": ["predict"],
    "RUN/scores.json": ["evaluate"],
    "RUN/cases.csv": ["evaluate"],
    "RUN/report.html": ["report"],
    "RUN/student/README.md": ["report"],
    "RUN/manifest.json": ["distill", "predict", "evaluate", "report"],
    "RUN/recipe.yaml": [],
}
# In which times and speeds stand.
MEASURED = {"manifest.json", "models.json", "report.html", "README.md"}


def find(run, pattern):
    home = run.root.parent
    return next(home.glob(pattern.replace("RUN", str(run.folder.path.relative_to(home)))))


def content(run):
    home = run.root.parent
    files = [path for path in home.rglob("*") if path.is_file() and path.name not in MEASURED]
    return {path.relative_to(home): path.read_bytes() for path in files}


def forbid_training(monkeypatch):
    monkeypatch.setattr("kdkit.engine.training.distill", lambda *_: pytest.fail("a student was trained again"))


# Every file is lost and spoilt whenever anything is tried; those that many others hang on suffer all there is.
OFTEN, EVERYTHING = (
    {"a byte off", "gone"},
    {"store/samples/*/*.safetensors", "RUN/student/card.json", "RUN/manifest.json"},
)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        pytest.param(file, damage, marks=[] if damage in OFTEN or file in EVERYTHING else pytest.mark.slow)
        for file in FILES
        for damage in DAMAGES
    ],
)
def test_what_is_damaged_is_made_again_and_no_more(whole_run, prepare, monkeypatch, file, damage):
    before, path = content(whole_run), find(whole_run, file)
    names = {path.name for path in whole_run.folder.path.rglob("*")}
    DAMAGES[damage](path)
    if path.name != "weights.safetensors":
        forbid_training(monkeypatch)
    assert run_stages(prepare(*SMALL)) == FILES[file]
    assert content(whole_run) == before
    assert {path.name for path in whole_run.folder.path.rglob("*")} == names
    assert run_stages(prepare(*SMALL)) == []


def test_every_kind_of_file_is_in_the_table(whole_run):
    found = {path for pattern in FILES for path in [find(whole_run, pattern)]}
    kinds = {(path.parent, path.suffix) if path.suffix == ".safetensors" else path for path in found}
    home = whole_run.root.parent
    files = {path for path in home.rglob("*") if path.is_file()}
    assert {(path.parent, path.suffix) if path.suffix == ".safetensors" else path for path in files} == kinds


@pytest.mark.parametrize("lost", [("manifest.json", "recipe.yaml"), ("manifest.json", "history/student.csv")])
def test_two_files_lost_at_once_cost_no_training_either(whole_run, prepare, monkeypatch, lost):
    before = content(whole_run)
    for name in lost:
        (whole_run.folder.path / name).unlink()
    forbid_training(monkeypatch)
    run_stages(prepare(*SMALL))
    assert content(whole_run) == before


@pytest.mark.parametrize("files", [("card.json", "weights.safetensors"), ("weights.safetensors",)])
def test_weights_that_nothing_vouches_for_are_not_taken(whole_run, prepare, files):
    before = content(whole_run)
    whole_run.folder.manifest_file.unlink()
    for name in files:
        flip(whole_run.folder.model("student") / name)
    assert "distill" in run_stages(prepare(*SMALL))
    assert content(whole_run) == before


def test_a_student_of_other_inputs_is_not_taken(whole_run, prepare):
    whole_run.folder.manifest_file.unlink()
    longer = (*SMALL[:3], "training.epochs=1", "controls=[]")
    run = prepare(*longer)
    run.folder = whole_run.folder
    run_stages(run, last="distill")
    assert len(run.folder.history("student").read_text().splitlines()) == 2


def test_of_a_named_folder_the_recipe_tells_whose_it_is_when_the_manifest_is_lost(whole_run, cli):
    arguments = [part for setting in SMALL for part in ("--set", setting)]
    whole_run.folder.manifest_file.unlink()
    other = cli("run", "toy", "--out", whole_run.folder.path, *arguments, "--set", "seed=7")
    assert other.code == 2 and "holds the run of another recipe" in other.err
    assert cli("run", "toy", "--out", whole_run.folder.path, *arguments).code == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_whoever_opens_a_run_is_told_of_a_damaged_recipe(whole_run, damage):
    DAMAGES[damage](whole_run.folder.recipe_file)
    with pytest.raises(KdkitError, match=r"recipe\.yaml"):
        open_run(discover({}), whole_run.folder.path, Silence())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["manifest.json", "scores.json"])
def test_whoever_reads_results_is_told_of_a_damaged_file(whole_run, cli, file, damage):
    DAMAGES[damage](whole_run.folder.path / file)
    for command in ("evaluate", "report"):
        told = cli(command, whole_run.folder.path)
        assert told.code in (1, 2) and "Traceback" not in told.err
        assert file in told.err or "evaluate is not done" in told.err or "has no scores yet" in told.err


@pytest.mark.parametrize("file", ["weights.safetensors", "card.json"])
@pytest.mark.parametrize("damage", [truncate, empty, flip])
def test_whoever_uses_a_student_is_told_of_a_damaged_file(whole_run, file, damage):
    damage(whole_run.folder.model("student") / file)
    with pytest.raises(WeightsError, match=file):
        read_student(discover({}), whole_run.folder.path)


@pytest.mark.parametrize("position", range(0, 100, 9))
def test_wherever_a_byte_of_a_checkpoint_is_off_it_is_not_used_or_says_the_same(tmp_path, position):
    import torch

    from kdkit.engine.checkpoints import _read

    path, state = tmp_path / "epoch-0.ckpt", {"state_dict": {"w": torch.arange(400.0)}}
    torch.save(state, path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) * position // 100] ^= 4
    path.write_bytes(whole)
    content = _read(path)
    assert content is None or torch.equal(content["state_dict"]["w"], state["state_dict"]["w"])
