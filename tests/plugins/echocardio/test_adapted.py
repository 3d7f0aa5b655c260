"""Self-training on a folder of unlabelled clips: what it trains on, and what it says of that."""

import csv
import json

import pytest
from kdkit_echocardio.example_data import write_clips

SMALL = [
    "samples={train: 10, validation: 4, evaluation: 2}",
    "evaluation.generator.frames=8",
    "evaluation.metrics=[dice]",
    "controls=[]",
    "student.blocks=1",
    "training.epochs=1",
    "training.batch_size=2",
]


@pytest.fixture
def finished(cli, tmp_path, monkeypatch):
    """A run in miniature, its folder, and what it said; half of the samples are eight clips' of a folder."""
    monkeypatch.setenv("ECHOCARDIO_CLIPS", str(write_clips(tmp_path / "clips")))
    settings = [*SMALL, "generator.shares=[1, 1]", "generator.repeats=[1, 2]"]
    said = cli("run", "echocardio-adapted", "--out", tmp_path / "run", *(p for s in settings for p in ("--set", s)))
    assert said.code == 0, said.err
    return tmp_path / "run", said.out


def test_a_run_on_real_clips_says_so_wherever_it_is_told_what_it_is(finished):
    folder, said = finished
    assert "No real data" not in said
    assert "Real recordings are among the samples that it was trained on." in (folder / "report.html").read_text()
    assert "**Real data**" in (folder / "student" / "README.md").read_text()
    provenance = json.loads((folder / "student" / "card.json").read_text())["provenance"]
    assert provenance["real_data"] is True
    assert json.loads((folder / "manifest.json").read_text())["real_data"] is True
    names = set(json.loads((folder / "recordings.json").read_text())["contents"].values())
    assert names and all(name.startswith("clip") for name in names)
    assert provenance["recordings"] == len(names)
    assert f"{len(names)} real recordings were used in training." in said
    with (folder / "cases.csv").open() as file:
        assert all(row["sample"].startswith("phantom") for row in csv.DictReader(file))


def test_the_default_recipe_uses_no_real_data():
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment

    assert not load_experiment(discover({}), "echocardio").learns_from_recordings


def test_without_a_folder_it_is_off_and_says_what_it_needs(cli, monkeypatch):
    monkeypatch.delenv("ECHOCARDIO_CLIPS", raising=False)
    finished = cli("run", "echocardio-adapted")
    assert finished.code == 2 and "generator.members.1.path  $ECHOCARDIO_CLIPS is not set" in finished.err
