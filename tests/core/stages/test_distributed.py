"""Several processes do what one does."""

import json

import numpy as np
import pytest

from kdkit.store.targets import NAME

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1")


@pytest.mark.slow
def test_two_devices_make_the_artifacts_that_one_makes(toy, prepare, process, tmp_path):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    hardware = ("--accelerator", "cpu", "--devices", 2, "--strategy", "ddp")
    two = process("run", "toy", *settings, *hardware, "--out", tmp_path / "two")
    _, output = two.communicate(timeout=300)
    assert two.returncode == 0, output
    assert "Traceback" not in output
    scores = json.loads((tmp_path / "two" / "scores.json").read_text())
    assert set(scores) == {"teacher", "student", "control"}
    assert (tmp_path / "two" / "report.html").is_file()
    for arm in ("student", "control"):
        card = json.loads((tmp_path / "two" / arm / "card.json").read_text())
        assert card["provenance"]["epochs"] == 1
    by_two = prepare(*SMALL)
    assert all(part.is_whole() for part in by_two.labelled())

    from kdkit.stages.pipeline import run_stages

    expected = type(by_two)(by_two.experiment, by_two.folder, tmp_path / "alone", by_two.progress)
    run_stages(expected, last="label")
    for one, other in zip(expected.labelled(), by_two.labelled(), strict=True):
        assert one.split.indices == other.split.indices
        for index in one.split.indices:
            np.testing.assert_array_equal(one.targets.read(index, NAME), other.targets.read(index, NAME))
    # One process finds everything whole that two have made.
    assert run_stages(expected, last="evaluate")[0] == "distill"
    alone = process("run", "toy", *settings, "--out", tmp_path / "two")
    _, output = alone.communicate(timeout=120)
    assert "nothing to do" in output
