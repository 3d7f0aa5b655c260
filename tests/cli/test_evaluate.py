"""``kdkit evaluate --data``: a student and its teacher, measured on labelled data that is only read."""

import csv
import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch

from kdkit import DataError, Figure, Score
from kdkit.atomic import digest_of
from kdkit.plugins.registry import discover
from kdkit.runs.folder import RunFolder
from kdkit.runs.student import read_student


@pytest.fixture
def data(tmp_path):
    """Four labelled clips, two short and two long; one without a mask, one empty, one cut off."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, frames, side in (("a", 3, 8), ("b", 4, 6), ("c", 6, 7), ("d", 5, 3), ("e", 4, 4)):
        mask = np.zeros((frames, 16, 16), np.uint8)
        mask[:, 4 : 4 + side, 5 : 5 + side] = 1
        # A third of the mask is dark: the teacher, which goes by brightness, misses it.
        bright = mask.copy()
        bright[:, 4 + side // 2 :] = 0
        np.save(folder / f"{name}.npy", (60 + 130 * bright + rng.integers(0, 12, mask.shape)).astype(np.uint8))
        if name != "e":
            with (folder / f"{name}.mask").open("wb") as file:
                np.save(file, mask)
    (folder / "empty.npy").write_bytes(b"")
    (folder / "cut.npy").write_bytes((folder / "a.npy").read_bytes()[:-9])
    return folder


def overlap(folder, names):
    """The toy metric by hand, of the teacher that calls bright what is brighter than half."""
    scores = []
    for name in names:
        prediction, mask = np.load(folder / f"{name}.npy") >= 128, np.load(folder / f"{name}.mask") > 0
        scores.append(2 * (prediction & mask).sum() / (prediction.sum() + mask.sum()))
    return np.mean(scores)


def test_teacher_and_student_are_measured_over_all_and_by_group(trained, data, cli):
    result = cli("evaluate", trained, "--data", data, "--json")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert set(content["scores"]) == {"teacher", "student"}
    assert list(content["scores"]["teacher"]) == ["all", "long", "short"]
    for group, names in {"all": "abcd", "long": "cd", "short": "ab"}.items():
        score = content["scores"]["teacher"][group]["overlap"]
        assert score["n"] == len(names)
        assert score["value"] == pytest.approx(overlap(data, names))
        assert score["ci_low"] is None  # of fewer than five units
    assert content["differences"]["student-teacher"]["overlap"]["n"] == 4
    assert content["unlabelled"] == 1
    assert [skipped["reason"].split(":")[0].rpartition("/")[2] for skipped in content["skipped"]] == ["cut.npy"]
    assert "1 left out: 1 empty-file" in result.err and "cut.npy" in result.err
    assert content["left_out"] == "1 left out: 1 empty-file"


def test_the_table_is_for_people(trained, data, cli):
    out = cli("evaluate", trained, "--data", data).out
    assert all(word in out for word in ("teacher", "student", "long", "short", "overlap", "1 samples have no label"))


def test_a_split_and_a_metric_can_be_chosen(trained, data, cli):
    result = cli("evaluate", trained, "--data", data, "--split", "a", "--metric", "overlap", "--json")
    assert json.loads(result.out)["scores"]["student"]["all"]["overlap"]["n"] == 1
    written = cli("evaluate", trained, "--data", data, "--metric", "{name: overlap}", "--json")
    assert "overlap" in json.loads(written.out)["scores"]["student"]["all"]
    wrong = cli("evaluate", trained, "--data", data, "--metric", "{name: overlap, size: 3}")
    assert wrong.code == 1 and "size" in wrong.err and "Traceback" not in wrong.err
    unknown = cli("evaluate", trained, "--data", data, "--metric", "overlapp")
    assert unknown.code == 2 and "overlap" in unknown.err
    twice = cli("evaluate", trained, "--data", data, "--metric", "overlap", "--metric", "{name: overlap}")
    assert twice.code == 2 and "overlap is given twice" in twice.err
    labelled = ("--metric", "overlap", "--metric", "{name: overlap, label: again}")
    both = json.loads(cli("evaluate", trained, "--data", data, *labelled, "--json").out)["scores"]["student"]["all"]
    assert list(both) == ["overlap", "again"] and both["overlap"] == both["again"]


def test_scores_without_labels_ask_about_every_sample(trained, data, cli):
    """The teacher's agreement is nobody's; its answers to changed clips, by hand, as it goes by brightness."""
    options = ("--metric", "agreement", "--metric", "{name: consistency, gain: 1.5, noise: 40}")
    result = cli("evaluate", trained, "--data", data, *options, "--json")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    teacher, student = (content["scores"][model]["all"] for model in ("teacher", "student"))
    assert content["unlabelled"] == 0
    assert (teacher["agreement"]["n"], student["agreement"]["n"], student["consistency"]["n"]) == (0, 5, 5)
    expected = []
    for name in "abcde":
        clip = np.load(data / f"{name}.npy").astype(np.float32)
        noise = np.random.default_rng(0).normal(0, 40, clip.shape)
        plain = clip >= 128
        changed = [plain, np.clip(clip * 1.5, 0, 255).round() >= 128, np.clip(clip + noise, 0, 255).round() >= 128]
        expected.append(np.mean([2 * (plain & c).sum() / (plain.sum() + c.sum()) for c in changed]))
    assert teacher["consistency"]["value"] == pytest.approx(np.mean(expected))
    assert 0.5 < teacher["consistency"]["value"] < 0.99


def test_the_students_agreement_is_that_of_its_own_masks(trained, data, cli):
    content = json.loads(cli("evaluate", trained, "--data", data, "--metric", "agreement", "--json").out)
    registry = discover({})
    network = read_student(registry, trained).network.eval()
    expected = []
    for name in "abcde":
        clip = np.load(data / f"{name}.npy")
        with torch.inference_mode():
            mask = torch.sigmoid(network(torch.from_numpy(clip[None]))[0]).numpy() >= 0.5
        bright = clip >= 128
        expected.append(2 * (mask & bright).sum() / max(1, mask.sum() + bright.sum()))
    assert content["scores"]["student"]["all"]["agreement"]["value"] == pytest.approx(np.mean(expected), abs=0.02)


def test_metrics_that_nothing_can_be_measured_with_are_told(trained, data, cli):
    alone = cli("evaluate", trained / "student", "--data", data, "--metric", "agreement")
    assert alone.code == 1 and "no sample has what agreement needs" in alone.err and "Traceback" not in alone.err


def test_the_page_shows_all_samples_together(trained, data, cli, tmp_path, monkeypatch):
    from kdkit_toy.domain import Toy

    calls = []

    def overview(self, cases):
        calls.extend((case.sample.info["name"], sorted(case.predictions)) for case in cases)
        yield Figure("Everything", f"of {len(calls)}", "image/svg+xml", b"<svg/>")

    monkeypatch.setattr(Toy, "overview", overview)
    assert cli("evaluate", trained, "--data", data, "--out", tmp_path / "out").code == 0
    assert calls == [(name, ["student", "teacher"]) for name in "abcd"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Everything" in page and "of 4" in page


@pytest.mark.parametrize("code", [0, 1])
def test_a_domain_may_want_few_cases_or_fail(trained, data, cli, tmp_path, monkeypatch, code):
    from kdkit_toy.domain import Toy

    def overview(self, cases):
        for _ in range(code):
            next(cases)
            raise DataError("this cannot be drawn")
        yield from ()

    monkeypatch.setattr(Toy, "overview", overview)
    result = cli("evaluate", trained, "--data", data, "--out", tmp_path / "out")
    assert result.code == code and ("this cannot be drawn" in result.err) is bool(code)


def test_the_folder_shows_the_worst_cases_first(trained, data, cli, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in data.iterdir()}
    out = tmp_path / "out"
    result = cli("evaluate", trained, "--data", data, "--out", out)
    assert result.code == 0, result.err
    assert sorted(p.name for p in out.iterdir()) == ["cases.csv", "report.html", "scores.json", "worst.png"]
    page = (out / "report.html").read_text()
    with (out / "cases.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["model"], row["group"]) == ("student", "all")]
    worst = [row["sample"] for row in sorted(rows, key=lambda row: float(row["overlap"]))]
    places = [page.index(f"<h3>{name}:") for name in worst]
    assert places == sorted(places)
    assert "http" not in page.replace("http-equiv", "") and page.count("data:image/png;base64,") == len(worst)
    assert str(data) not in page
    assert {path.name: path.stat().st_mtime_ns for path in data.iterdir()} == before


def test_a_student_alone_is_measured_and_beside_it_the_default_teacher_on_request(trained, data, cli):
    alone = trained / "student"
    assert set(json.loads(cli("evaluate", alone, "--data", data, "--json").out)["scores"]) == {"student"}
    content = json.loads(cli("evaluate", alone, "--data", data, "--teacher", "--json").out)
    assert list(content["scores"]) == ["teacher", "student"]
    assert content["models"] == {"teacher": "brightness", "student": "pixelwise"}


def test_a_teacher_that_has_gone_does_not_keep_the_student_from_being_measured(trained, data, cli):
    recipe = trained / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: brightness", "name: gone"))
    assert "was edited" in cli("evaluate", trained, "--data", data, "--json").err
    RunFolder(trained).update_manifest(recipe=digest_of(recipe))
    result = cli("evaluate", trained, "--data", data, "--json")
    assert result.code == 0
    assert set(json.loads(result.out)["scores"]) == {"student"}
    assert "left out" in result.err and "gone" in result.err


def test_faults_are_told_in_one_message(trained, data, cli, tmp_path):
    for unlabelled in data.glob("*.mask"):
        unlabelled.unlink()
    faults = {
        ("evaluate", trained, "--data", data): (1, "nothing could be measured: 5 samples have no label"),
        ("evaluate", trained, "--data", tmp_path / "nowhere"): (1, "nowhere is no folder"),
        ("evaluate", tmp_path, "--data", data): (2, "no student"),
        ("evaluate", trained, "--data", data, "--out", data / "out"): (2, "nothing is written"),
        ("evaluate", trained, "--data", data, "--devices", "2"): (2, "--devices"),
        ("evaluate", trained): (1, "no scores yet"),
        ("evaluate", "toy", "--split", "test"): (2, "--split"),
    }
    for command, (code, message) in faults.items():
        result = cli(*command)
        assert (result.code, message in result.err) == (code, True), result.err
        assert "Traceback" not in result.err


def test_people_are_measured_where_a_metric_knows_them(trained, data, cli, monkeypatch):
    from kdkit_toy.models import Overlap

    def humans(self, sample):
        return [(float(sample.truth["mask"].mean()),)] if "mask" in sample.truth else []

    monkeypatch.setattr(Overlap, "humans", humans)
    scores = json.loads(cli("evaluate", trained, "--data", data, "--json").out)["scores"]
    assert list(scores) == ["teacher", "student", "humans"]
    for group, names in {"all": "abcd", "long": "cd", "short": "ab"}.items():
        score = scores["humans"][group]["overlap"]
        assert score["value"] == pytest.approx(np.mean([np.load(data / f"{name}.mask").mean() for name in names]))
        assert score["n"] == len(names)


def test_people_have_a_column_in_a_run_on_real_samples_alone(toy, cli, monkeypatch):
    from kdkit_toy.discs import Discs
    from kdkit_toy.models import Overlap

    monkeypatch.setattr(Overlap, "humans", lambda self, sample: [(0.875,)])
    small = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")
    settings = [part for setting in small for part in ("--set", setting)]
    result = cli("run", "toy", *settings)
    assert result.code == 0, result.err
    (run,) = (path.parent for path in toy.glob("toy/*/scores.json"))
    assert "humans" not in result.out
    assert all("humans" not in (run / name).read_text() for name in ("scores.json", "cases.csv"))
    monkeypatch.setattr(Discs, "synthetic", False)
    result = cli("run", "toy", *settings)
    assert result.code == 0, result.err
    score = json.loads((run / "scores.json").read_text())["humans"]["overlap"]
    assert (score["value"], score["ci_low"], score["n"]) == (0.875, None, 3)
    assert "humans" in result.out and "0.875" in result.out
    assert (run / "cases.csv").read_text().count(",humans,0.875") == 3
    assert 'data-model="humans" data-metric="overlap"' in (run / "report.html").read_text()


def test_without_data_the_scores_of_the_run_are_shown_and_nothing_is_measured(trained, cli):
    shutil.rmtree(trained / "predictions", ignore_errors=True)
    assert cli("evaluate", trained).code == 1  # trained, and not yet evaluated
    (trained / "scores.json").write_text(
        json.dumps({"student": {"overlap": asdict(Score(0.5, 0.4, 0.6, 9, "", True, 9))}, "differences": {}})
    )
    RunFolder(trained).mark_done("evaluate", "", 0, [trained / "scores.json"])
    result = cli("evaluate", trained)
    assert result.code == 0 and "0.500 ±0.100" in result.out
    assert json.loads(cli("evaluate", trained, "--json").out)["scores"]["student"]["overlap"]["value"] == 0.5
    assert not (trained / "predictions").exists()


def test_a_domain_is_no_run_and_nothing_is_trained(toy, cli, tmp_path):
    (tmp_path / "clip.npy").touch()
    for command in ("evaluate", "report", "predict"):
        more = (tmp_path / "clip.npy", "--out", "out") if command == "predict" else ()
        result = cli(command, "toy", *more)
        assert result.code == 2, result
        assert "toy is a domain" in result.err and "kdkit run toy" in result.err
    assert not toy.exists()


def test_files_that_the_domain_reads_need_no_class_of_their_own(trained, data, cli, monkeypatch):
    monkeypatch.delattr("kdkit_toy.domain.Toy.source")
    unlabelled = cli("evaluate", trained, "--data", data)
    assert unlabelled.code == 1 and "measure beside the teacher" in unlabelled.err
    result = cli("evaluate", trained, "--data", data, "--metric", "teacher-kappa", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["scores"]["student"]["all"]["teacher-kappa"]["n"] == 5  # two are damaged
