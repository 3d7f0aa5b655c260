"""``kdkit evaluate --data`` a second time: what was predicted is kept, and what changed is predicted again."""

import json

import numpy as np
import pytest

from kdkit import Field


@pytest.fixture
def domain(toy):
    """The toy domain's module, which can only be imported while it is installed."""
    from kdkit_toy import domain

    return domain


@pytest.fixture
def data(tmp_path):
    """Five labelled clips."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, name in enumerate("abcde"):
        mask = np.zeros((3, 12, 12), np.uint8)
        mask[:, 2 : 6 + number, 3:9] = 1
        np.save(folder / f"{name}.npy", (60 + 130 * mask + rng.integers(0, 12, mask.shape)).astype(np.uint8))
        with (folder / f"{name}.mask").open("wb") as file:
            np.save(file, mask)
    return folder


@pytest.fixture
def predicted(domain, monkeypatch):
    """The names of the clips that the networks were run on, in their order."""
    names, predict = [], domain.Toy.predict

    def spy(self, sample, infer):
        names.append(sample.info["name"])
        return predict(self, sample, infer)

    monkeypatch.setattr(domain.Toy, "predict", spy)
    return names


def scores(result):
    assert result.code == 0, result.err
    return json.loads(result.out)["scores"]


def test_the_second_time_no_network_runs(trained, data, cli, predicted):
    first = scores(cli("evaluate", trained, "--data", data, "--json"))
    assert predicted == [name for name in "abcde" for _ in ("teacher", "student")]
    predicted.clear()
    assert scores(cli("evaluate", trained, "--data", data, "--json")) == first
    both = scores(cli("evaluate", trained, "--data", data, "--metric", "overlap", "--metric", "agreement", "--json"))
    assert both["student"]["all"]["overlap"] == first["student"]["all"]["overlap"]
    assert both["student"]["all"]["agreement"]["n"] == 5
    assert predicted == []


def test_what_changed_or_was_damaged_is_predicted_again_and_nothing_else(trained, data, cli, predicted, toy):
    first = scores(cli("evaluate", trained, "--data", data, "--json"))
    predicted.clear()
    np.save(data / "b.npy", 255 - np.load(data / "b.npy"))
    changed = scores(cli("evaluate", trained, "--data", data, "--json"))
    assert predicted == ["b", "b"] and changed != first
    predicted.clear()
    files = sorted((toy / "store" / "predictions").glob("*/*.npz"))
    assert len(files) == 2 * 6
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 255
    files[0].write_bytes(content)
    again = scores(cli("evaluate", trained, "--data", data, "--json"))
    assert again == changed
    assert len(predicted) in (0, 2)  # the damaged one may be of b as it was before
    files[0].unlink()
    for file in files[1:]:
        file.write_bytes(file.read_bytes()[:-9])
    predicted.clear()
    assert scores(cli("evaluate", trained, "--data", data, "--json")) == changed
    assert len(predicted) == 10


def test_another_student_is_predicted_again(trained, data, cli, predicted):
    cli("evaluate", trained, "--data", data)
    predicted.clear()
    weights = trained / "student"
    card = json.loads((weights / "card.json").read_text())
    assert card["component"] == "pixelwise"
    settings = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "controls=[]", "seed=5")
    other = cli("run", "toy", *(part for setting in settings for part in ("--set", setting)), "--out", trained / "b")
    assert other.code == 0, other.err
    predicted.clear()
    assert set(scores(cli("evaluate", trained / "b", "--data", data, "--json"))) == {"teacher", "student"}
    assert len(predicted) == 10


def test_a_bounded_store_changes_no_score(trained, data, cli, predicted, toy, monkeypatch):
    first = scores(cli("evaluate", trained, "--data", data, "--json"))
    monkeypatch.setenv("KDKIT_KEPT_PREDICTIONS", "1")
    assert scores(cli("evaluate", trained, "--data", data, "--json")) == first
    assert not list((toy / "store" / "predictions").glob("*/*.npz"))
    monkeypatch.setenv("KDKIT_KEPT_PREDICTIONS", "a lot")
    predicted.clear()
    refused = cli("evaluate", trained, "--data", data)
    assert refused.code == 2 and "KDKIT_KEPT_PREDICTIONS=a lot is no size" in refused.err and not predicted


@pytest.mark.parametrize("way", [(), ("--precision", "bf16-mixed")], ids=["processor", "lightning"])
def test_each_recording_is_read_once_and_measured_as_what_was_predicted(
    trained, data, cli, domain, monkeypatch, predicted, way
):
    """One that changes while the command runs cannot be measured by a prediction of what it was before."""
    generate = domain.Folder.generate
    reads = []

    def shifting(self, indices):
        for sample in generate(self, indices):
            reads.append(sample.info["name"])
            if sample.info["name"] == "c":
                sample.inputs[0, 0, 0] = len(reads)
            yield sample

    monkeypatch.setattr(domain.Folder, "generate", shifting)
    content = json.loads(cli("evaluate", trained, "--data", data, *way, "--json").out)
    assert sorted(reads) == list("abcde")
    assert content["scores"]["student"]["all"]["overlap"]["n"] == 5 and content["skipped"] == []
    predicted.clear()
    assert scores(cli("evaluate", trained, "--data", data, *way, "--json"))
    assert predicted == ["c", "c"]


def test_options_of_the_source_are_set_told_and_run_no_network(
    trained, data, cli, predicted, tmp_path, domain, monkeypatch
):
    class Options(domain.Folder.Options):
        erode: int = Field(0, ge=0, description="Rows taken off each mask.")

    generate = domain.Folder.generate

    def eroded(self, indices):
        for sample in generate(self, indices):
            sample.truth["mask"][:, : 2 + self.options.erode] = 0
            yield sample

    monkeypatch.setattr(domain.Folder, "Options", Options)
    monkeypatch.setattr(domain.Folder, "generate", eroded)
    plain = scores(cli("evaluate", trained, "--data", data, "--json"))
    predicted.clear()
    out = tmp_path / "out"
    result = cli("evaluate", trained, "--data", data, "--set", "erode=2", "--json", "--out", out)
    assert scores(result) != plain and not predicted
    assert json.loads(result.out)["options"] == {"erode": 2}
    assert "with erode 2" in (out / "report.html").read_text()
    faults = {"erod=2": "erode", "erode=-1": "greater than or equal to 0", "erode": "is not KEY=VALUE"}
    for setting, message in faults.items():
        refused = cli("evaluate", trained, "--data", data, "--set", setting)
        assert refused.code == 2 and message in refused.err and "Traceback" not in refused.err, refused.err
    alone = cli("evaluate", trained, "--set", "erode=2")
    assert alone.code == 2 and "--set" in alone.err
