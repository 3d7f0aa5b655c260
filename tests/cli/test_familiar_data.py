"""Scores on recordings that a student was trained on are told as such, everywhere."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kdkit import Generator, Sample
from kdkit.atomic import write_sealed
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

SMALL = ("samples.train=8", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")


def clip(number):
    return np.random.default_rng(number).integers(0, 256, (4, 16, 16), np.uint8)


class Folder(Generator):
    """Ten clips of five patients, of the kind of source that the toy domain reads folders with, by its name."""

    synthetic = False

    def count(self):
        return 10

    def units(self):
        return [f"patient{number // 2}" for number in range(10)]

    def generate(self, indices):
        for index in indices:
            yield Sample(clip(index), info={"name": f"clip{index}", "unit": f"patient{index // 2}"})


class Parts(Folder):
    """The same clips, of each of which three frames are taken."""

    def generate(self, indices):
        for sample in super().generate(indices):
            yield replace(sample, inputs=sample.inputs[1:], info={**sample.info, "content": sample.content})


def trained_on(source, prepare):
    """The folder of a run whose student was trained on all of these clips, and is evaluated on simulated ones."""
    made = prepare(*SMALL, "evaluation.generator={name: discs}")
    experiment = replace(made.experiment, generator=source(source.Options()))
    run_stages(Run(experiment, made.folder, made.root, made.progress), last="distill")
    return made.folder.path


@pytest.fixture
def run(prepare):
    """The folder of a run on all ten clips."""
    return trained_on(Folder, prepare)


@pytest.fixture
def data(tmp_path):
    """A folder with clips of these numbers, each with a mask, of any name."""

    def write(numbers):
        folder = tmp_path / "data"
        folder.mkdir()
        for number in numbers:
            np.save(folder / f"export-{number}.npy", clip(number))
            with (folder / f"export-{number}.mask").open("wb") as file:
                np.save(file, (clip(number) > 128).astype(np.uint8))
        return folder

    return write


def test_recordings_of_the_training_are_told_by_terminal_page_and_scores(run, data, cli, tmp_path):
    out = tmp_path / "out"
    result = cli("evaluate", run, "--data", data([3, 40, 7, 41]), "--out", out)
    told = "the student was trained on 2 of these 4 samples (export-3, export-7)"
    assert result.code == 0 and f"doubtful (data): {told}" in result.err
    scores = json.loads((out / "scores.json").read_text())
    assert scores["trained"] == ["export-3", "export-7"] and scores["doubts"] == {"data": [told]}
    page = (out / "report.html").read_text()
    assert f"not those of unseen data: {told}." in page and 'verdict bad"' in page


def test_recordings_of_which_a_part_was_taken_are_told(prepare, data, cli):
    content = json.loads(cli("evaluate", trained_on(Parts, prepare), "--data", data([3, 40]), "--json").out)
    assert content["trained"] == ["export-3"]


def test_without_a_teacher_the_page_says_so_as_well(run, data, cli, tmp_path):
    (run / "recipe.yaml").unlink()
    assert cli("evaluate", run, "--data", data([3, 40]), "--out", tmp_path / "out").code == 0
    assert "trained on 1 of these 2 samples (export-3)" in (tmp_path / "out" / "report.html").read_text()


def test_new_recordings_are_not_doubted(run, data, cli):
    result = cli("evaluate", run, "--data", data([40, 41]), "--json")
    content = json.loads(result.out)
    assert content["doubts"] == {} and content["trained"] == content["trained_units"] == []
    assert "trained" not in result.err and content["unknown"] == ""


def test_a_patient_of_the_training_is_told(run, data, cli, monkeypatch):
    from kdkit_toy.domain import Folder as Read

    generate = Read.generate

    def of_patient(self, indices):
        for sample in generate(self, indices):
            yield replace(sample, info={**sample.info, "unit": "patient3"})

    monkeypatch.setattr(Read, "generate", of_patient)
    content = json.loads(cli("evaluate", run, "--data", data([40, 6]), "--json").out)
    assert (content["trained"], content["trained_units"]) == (["export-6"], ["export-40"])
    assert len(content["doubts"]["data"]) == 2


@pytest.mark.parametrize("injury", ["gone", "cut", "other", "alone"])
def test_what_cannot_be_told_is_said(run, data, cli, injury, tmp_path):
    path, student = run / "recordings.json", run
    if injury == "gone":
        path.unlink()
    elif injury == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif injury == "other":
        write_sealed(path, {"contents": [1]})
    else:
        student = shutil.copytree(run / "student", tmp_path / "elsewhere")
    result = cli("evaluate", student, "--data", data([3, 40]), "--json")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert content["unknown"].startswith("the student was trained on 10 recordings; whether these are among them")
    assert "whether these are among them" in result.err and content["doubts"] == {}


def test_a_simulated_training_writes_down_nothing(trained, data, cli):
    assert not (trained / "recordings.json").exists()
    content = json.loads(cli("evaluate", trained, "--data", data([3]), "--json").out)
    assert content["unknown"] == "" and content["doubts"] == {}
