"""Nothing that may take long happens without a bar."""

from contextlib import contextmanager

import numpy as np
import pytest

from kdkit import api
from kdkit.progress import Silence


class Watched(Silence):
    """Knows whether a bar is shown."""

    def __init__(self):
        self.shown = 0
        self.silent = []

    @contextmanager
    def work(self, stage, what, total, unit, done=0):
        self.shown += 1
        try:
            yield self
        finally:
            self.shown -= 1

    def watch(self, monkeypatch, owner, name):
        """Note each call of a method that may take long while no bar is shown."""
        original = getattr(owner, name)

        def watched(*arguments, **options):
            if not self.shown:
                self.silent.append(f"{owner.__name__}.{name}")
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, watched)


SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=5", "training.epochs=1", "trainer.workers=1")


@pytest.fixture
def watched(toy, monkeypatch):
    """A progress, and the toy's components whose every call is watched."""
    from kdkit_toy.discs import Discs
    from kdkit_toy.domain import Folder, Toy
    from kdkit_toy.models import Overlap

    import kdkit.engine.inference as inference

    progress = Watched()
    for owner, name in (
        (Discs, "generate"),
        (Folder, "generate"),
        (Toy, "source"),
        (Toy, "figures"),
        (Toy, "overview"),
        (Overlap, "measure"),
        (inference, "infer_logits"),
    ):
        progress.watch(monkeypatch, owner, name)
    return progress


def test_a_run_its_comparison_and_its_student_on_data_are_never_silent(watched, toy, tmp_path):
    run = api.run("toy", None, SMALL, tmp_path / "run", progress=watched).folder
    assert watched.silent == []
    other = api.run("toy", None, [*SMALL, "training.epochs=2"], tmp_path / "other", progress=watched).folder
    api.compare([run, other], progress=watched)
    assert watched.silent == []
    data = tmp_path / "data"
    data.mkdir()
    for number in range(5):
        clip = np.random.default_rng(number).integers(0, 256, (4, 12, 12), np.uint8)
        np.save(data / f"{number}.npy", clip)
        with (data / f"{number}.mask").open("wb") as file:
            np.save(file, (clip > 128).astype(np.uint8))
    api.evaluate(run, data, out=tmp_path / "out", progress=watched)
    assert watched.silent == []
