"""``kdkit compare`` and ``kdkit report RUN``: finished runs, opened again."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kdkit.runs.folder import RunFolder
from kdkit.stages.pipeline import run_stages

TOY = Path(__file__).parents[1] / "toy"
SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=5", "training.epochs=2", "controls=[]")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, toy_run):
    """A folder with the store and three runs: two on the same samples, one on others."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        home = tmp_path_factory.mktemp("finished")
        folders = []
        for more in (["training.learning_rate=0.5"], ["student.gain=0.5"], ["seed=1"]):
            run = toy_run(home, *SMALL, *more)
            run_stages(run)
            folders.append(run.folder.path.relative_to(home))
        return home, folders


@pytest.fixture
def runs(finished, toy, tmp_path):
    """A copy of them, where another machine would keep them."""
    home, folders = finished
    shutil.copytree(home, toy)
    for folder in folders:
        RunFolder(toy / folder).update_manifest(store=str(tmp_path / "elsewhere" / "store"))
    return [toy / folder for folder in folders]


def values(run):
    with (run / "cases.csv").open() as file:
        return np.array([float(row["overlap"]) for row in csv.DictReader(file) if row["model"] == "student"])


def test_scores_stand_side_by_side_with_their_difference(runs, cli, tmp_path):
    finished = cli("compare", runs[0], runs[1], "--json", "--out", tmp_path / "page.html")
    assert finished.code == 0, finished.err
    content = json.loads(finished.out)
    first, other = (run.name for run in runs[:2])
    assert content["runs"] == [first, other]
    for run in runs[:2]:
        kept = json.loads((run / "scores.json").read_text())["student"]["overlap"]
        assert content["scores"]["overlap"][run.name] == kept
    difference = content["differences"]["overlap"][other]
    apart = values(runs[1]) - values(runs[0])
    assert difference["value"] == pytest.approx(apart.mean(), abs=1e-6)
    assert difference["ci_low"] < apart.mean() < difference["ci_high"]
    assert difference["units"] == len(apart)
    assert difference["n"] == 5
    assert content["recipes"] == {
        "student.gain": {first: "1.0", other: "0.5"},
        "training.learning_rate": {first: "0.5", other: "0.3"},
    }
    page = (tmp_path / "page.html").read_text()
    assert all(text in page for text in (first, other, "student.gain", "difference"))
    table = cli("compare", runs[0], runs[1]).out
    assert all(text in table for text in (first, other, "student.gain", "overlap", "weights"))


def test_the_difference_of_a_bias_is_called_one_of_distances(runs, cli, tmp_path, monkeypatch):
    from kdkit_toy.models import Overlap

    monkeypatch.setattr(Overlap, "higher_is_better", None)
    finished = cli("compare", runs[0], runs[1], "--json", "--out", tmp_path / "page.html")
    assert finished.code == 0, finished.err
    assert json.loads(finished.out)["differences"]["overlap"][runs[1].name]["quantity"] == "distance from zero"
    assert "farther from zero" in (tmp_path / "page.html").read_text()
    # A narrow table breaks the words onto several lines, as the runs' names want it.
    assert "farther" in cli("compare", runs[0], runs[1]).out


def test_runs_of_one_seed_each_are_called_so(runs, cli, tmp_path):
    finished = cli("compare", runs[0], runs[1], "--json", "--out", tmp_path / "page.html")
    assert json.loads(finished.out)["seeds"] == {run.name: 1 for run in runs[:2]}
    assert "One training seed each" in (tmp_path / "page.html").read_text()
    assert "One training seed each" in cli("compare", runs[0], runs[1]).out


def test_several_seeds_widen_the_difference_and_only_the_other_run_is_called_single(runs, cli, tmp_path):
    alone = json.loads(cli("compare", runs[0], runs[1], "--json").out)
    assert cli("run", "toy", "--config", runs[1] / "recipe.yaml", "--out", runs[1], "--seeds", 3).code == 0
    finished = cli("compare", runs[0], runs[1], "--json", "--out", tmp_path / "page.html")
    found = json.loads(finished.out)
    first, other = (run.name for run in runs[:2])
    score = found["scores"]["overlap"][other]
    assert found["seeds"] == {first: 1, other: 3}
    assert score == json.loads((runs[1] / "scores.json").read_text())["student"]["overlap"]
    assert len(score["seeds"]) == 3 and score["spread"] is not None
    difference = found["differences"]["overlap"][other]
    assert difference["value"] == pytest.approx(score["value"] - found["scores"]["overlap"][first]["value"])
    assert difference["seed_half_width"] > 0 == alone["differences"]["overlap"][other]["seed_half_width"]
    page = (tmp_path / "page.html").read_text()
    assert "One training seed: " in page and "seeds " in page
    assert "training.seeds" in found["recipes"]


def test_claims_of_many_metrics_are_adjusted_and_called_so(runs, cli, tmp_path):
    """The same run under other names: the family counts every metric of every other run."""
    copies = [shutil.copytree(runs[1], tmp_path / f"copy-{i}") for i in range(3)]
    finished = cli("compare", runs[0], *copies, "--json", "--out", tmp_path / "page.html")
    found = json.loads(finished.out)
    assert found["family"] == {"differences": 3, "adjustment": "Holm", "level": 0.05}
    assert "adjusted for the 3 differences" in " ".join((tmp_path / "page.html").read_text().split())
    assert "Claims are adjusted for 3 differences (Holm)" in cli("compare", runs[0], *copies).out
    assert "Holm" not in cli("compare", runs[0], runs[1]).out


def test_what_cannot_be_compared_is_told_in_one_message(runs, cli, tmp_path):
    cut = shutil.copytree(runs[0], tmp_path / "cut")
    shutil.rmtree(cut / "predictions")
    faults = {
        (runs[0],): (2, "two or more"),
        (runs[0], runs[0]): (2, "given twice"),
        (runs[0], tmp_path): (2, "not a run's folder"),
        (runs[0], tmp_path / "nowhere"): (2, "does not exist"),
        (runs[0], runs[2]): (1, "measured on different samples"),
        (runs[0], cut): (1, "predict is not done"),
    }
    for arguments, (code, message) in faults.items():
        finished = cli("compare", *arguments)
        assert (finished.code, message in finished.err) == (code, True), finished.err
        assert "Traceback" not in finished.err


def test_the_report_of_a_run_is_written_anew_and_nothing_else(runs, cli):
    run = runs[0]
    page = run / "report.html"
    page.unlink()
    kept = {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != "manifest.json"
    }
    finished = cli("report", run)
    assert finished.code == 0, finished.err
    assert str(page) in finished.out and run.name in page.read_text()
    now = {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != "manifest.json"
    }
    card = run / "student" / "README.md"
    assert now == kept | {path: path.stat().st_mtime_ns for path in (page, card)}


def test_a_report_that_cannot_be_made_is_told_in_one_message(runs, cli):
    (runs[0] / "scores.json").unlink()
    finished = cli("report", runs[0])
    assert finished.code == 1 and "evaluate is not done" in finished.err and "makes what is missing" in finished.err
    finished = cli("report", runs[1], "--set", "seed=1")
    assert finished.code == 2 and "--set" in finished.err
    assert cli("report", "toy", "--domain-file", "x.py").code == 2
