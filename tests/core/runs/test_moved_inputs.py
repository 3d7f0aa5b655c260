"""A run is found again when the files that its recipe names were moved, and nothing of it is made anew."""

import json
import shutil

import pytest

from kdkit import api
from kdkit.errors import StoreError, UsageError
from kdkit.runs.folder import RunFolder

SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")


@pytest.fixture
def run(toy, tmp_path):
    """Run with the teacher's weights in a folder of this name."""

    def run(place, content=None, out=None, *settings):
        weights = tmp_path / place / "net.bin"
        if content is not None:
            weights.parent.mkdir(exist_ok=True)
            weights.write_bytes(content)
        return api.run("toy", None, [*SMALL, f"teacher.weights={weights}", *settings], out)

    return run


def made(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".safetensors", ".csv")}


@pytest.mark.parametrize("named", [False, True])
def test_moved_weights_make_nothing_anew(run, tmp_path, named):
    out = tmp_path / "out" if named else None
    before = run("a", b"weights", out)
    files = made(before.folder)
    shutil.move(tmp_path / "a", tmp_path / "b")
    after = run("b", None, out)
    assert after.folder == before.folder and after.stages == [] and made(after.folder) == files
    assert str(tmp_path / "b") in (after.folder / "recipe.yaml").read_text()
    assert api.write_report(after.folder).is_file()  # by the recipe that lies there
    assert run("b", None, out).stages == []


def test_what_is_changed_at_once_is_made_in_the_same_folder(run, tmp_path):
    before = run("a", b"weights")
    shutil.move(tmp_path / "a", tmp_path / "b")
    (before.folder / "scores.json").write_text("{}")
    after = run("b")
    assert after.folder == before.folder and after.stages == ["evaluate"]


def test_a_whole_run_that_cannot_be_written_is_simply_whole(run, tmp_path, monkeypatch):
    before = run("a", b"weights")
    recipe = (before.folder / "recipe.yaml").read_bytes()
    shutil.move(tmp_path / "a", tmp_path / "b")

    def refuse(lock):
        raise StoreError("cannot write lock.json: Read-only file system")

    monkeypatch.setattr("kdkit.runs.lock.RunLock.acquire", refuse)
    after = run("b")
    assert after.stages == [] and (before.folder / "recipe.yaml").read_bytes() == recipe


def test_other_weights_of_the_same_name_are_another_run(run, tmp_path):
    out = tmp_path / "out"
    first, second = run("a", b"weights"), run("b", b"others")
    assert first.folder != second.folder and (first.folder / "scores.json").is_file()
    run("a", None, out)
    with pytest.raises(UsageError, match="holds the run of another recipe"):
        run("b", None, out)


def test_another_option_beside_moved_weights_is_another_run(run, tmp_path):
    before = run("a", b"weights")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert run("b", None, None, "teacher.threshold=0.4").folder != before.folder
    assert run("b", None, None, "training.epochs=2").folder != before.folder


def test_a_manifest_that_says_nothing_of_contents_is_not_taken(run, tmp_path):
    before = run("a", b"weights")
    RunFolder(before.folder).update_manifest(contents="")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert run("b").folder != before.folder


def test_a_recipe_without_files_counts_nothing(toy):
    result = api.run("toy", None, [*SMALL], last="generate")
    assert json.loads((result.folder / "manifest.json").read_text())["contents"] == ""
