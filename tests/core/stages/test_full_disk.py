"""A disk without room, or one that may not be written to: one message with the right path, and nothing is lost."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from kdkit.errors import StoreError
from kdkit.stages.pipeline import STAGE_NAMES, run_stages

SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=2", "training.epochs=2", "controls=[]")
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]
TOY = Path(__file__).parents[2] / "toy"
MEASURED = {"manifest.json", "models.json", "report.html", "README.md"}


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in MEASURED
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, toy_run):
    """The folder of runs and store of a whole run."""
    home = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        run = toy_run(home, *SMALL)
        run_stages(run)
    return home, run.folder.path


# Where room for so many kB more ends, in the order of the writing.
FULL = {
    5: "manifest.json",
    9: "recipe.yaml",
    16: "checkpoints/student/",
    26: "checkpoints/student/",
    36: "manifest.json",
    52: "report.html",
}


@pytest.mark.parametrize("room", FULL)
def test_wherever_the_disk_is_full_it_is_named_and_the_run_goes_on_when_there_is_room(
    finished, prepare, toy, mounted, room
):
    home, whole = finished
    shutil.copytree(home / "store", toy / "store")
    disk = mounted("size=1m")
    filler = disk / "filler"
    filler.write_bytes(bytes((1024 - room) * 1024))
    run = prepare(*SMALL)
    run.folder = type(run.folder)(disk / "run")
    with pytest.raises(StoreError, match=f"cannot write {disk}/run/{FULL[room]}.*No space left") as told:
        run_stages(run)
    assert "goes on" in told.value.remedy
    assert not list(disk.rglob("*.partial"))
    filler.unlink()
    assert set(run_stages(run)) <= set(STAGE_NAMES[2:])
    assert content(run.folder.path) == content(whole)
    assert run_stages(run) == []


def test_a_finished_run_where_nothing_can_be_written_is_finished(finished, toy, mounted, cli):
    home, whole = finished
    disk = mounted("size=2m")
    shutil.copytree(home / "store", toy / "store")
    shutil.copytree(whole, disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    again = cli("run", "toy", *SETTINGS, "--out", disk / "run")
    assert again.code == 0 and "nothing to do" in again.err
    refused = cli("run", "toy", *SETTINGS, "--out", disk / "run", "--from", "evaluate")
    assert refused.code == 1 and f"cannot write {disk}/run" in refused.err and "Read-only" in refused.err
    assert "Choose another place" in refused.err and "space" not in refused.err


def test_a_limit_of_the_size_of_files_is_told_as_a_full_disk_is(finished, toy, process, monkeypatch):
    home, whole = finished
    shutil.copytree(home, toy)
    folder = toy / whole.relative_to(home)
    (folder / "report.html").unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        command = process("run", "toy", *SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    _, told = command.communicate(timeout=600)
    assert command.returncode == 1
    assert told.count("error:") == 1 and f"cannot write {folder.relative_to(toy.parent)}" in told.replace(
        f"{toy.parent}/", ""
    )
    assert "File too large" in told and "Free some space" in told and "Traceback" not in told
