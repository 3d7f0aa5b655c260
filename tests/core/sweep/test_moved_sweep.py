"""The points of a sweep are found again when the files that its recipe names were moved."""

import shutil

import pytest

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.sweep.execution import run_points
from kdkit.sweep.plan import choose_sweep_folder, plan

SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=3", "training.epochs=1")


@pytest.fixture
def sweep(toy, tmp_path):
    """Sweep with the teacher's weights in a folder of this name; returns the sweep's folder."""

    def sweep(place, grid="student.gain=1,2", content=None, out=None):
        weights = tmp_path / place / "net.bin"
        if content is not None:
            weights.parent.mkdir()
            weights.write_bytes(content)
        planned = plan(discover({}), "toy", [grid], None, [*SMALL, f"teacher.weights={weights}"])
        folder = choose_sweep_folder(toy, planned, out)
        assert not any(failure for _, failure in run_points(planned.points, folder, toy, 1, Silence()))
        return folder

    return sweep


def made(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".safetensors", ".csv")}


@pytest.mark.parametrize("named", [False, True])
def test_moved_weights_make_no_point_anew(sweep, tmp_path, named):
    out = tmp_path / "out" if named else None
    before = sweep("a", content=b"weights", out=out)
    files = made(before)
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert sweep("b", out=out) == before and made(before) == files
    assert sweep("b", "student.gain=1,2,3", out=out) == before
    assert made(before).items() >= files.items() and len(list((before / "points").iterdir())) == 3


def test_other_weights_and_other_axes_are_another_sweep(sweep, tmp_path):
    before = sweep("a", content=b"weights")
    assert sweep("b", content=b"others") != before
    shutil.move(tmp_path / "a", tmp_path / "c")
    assert sweep("c", "training.learning_rate=0.01,0.02") != before
