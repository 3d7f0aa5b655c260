"""``kdkit check``: what is wrong with data, and whether a teacher is worth asking, before anything is run."""

import json

import numpy as np
import pytest


@pytest.fixture
def data(tmp_path, toy):
    """Clips of bright discs with their masks, one without a mask, one empty file."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, frames in {"a": 3, "b": 5, "c": 6}.items():
        mask = np.zeros((frames, 16, 16), np.uint8)
        mask[:, 4:10, 5:12] = 1
        np.save(folder / f"{name}.npy", (60 + 130 * mask + rng.integers(0, 12, mask.shape)).astype(np.uint8))
        if name != "a":
            with (folder / f"{name}.mask").open("wb") as file:
                np.save(file, mask)
    (folder / "broken.npy").write_bytes(b"")
    return folder


def listing(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_data_is_told_with_its_defects_and_nothing_is_written_there(cli, data):
    before = listing(data)
    result = cli("check", "toy", "--data", data)
    assert result.code == 1
    assert "A run uses 3. 1 left out: 1 empty-file" in result.out
    assert "no-mask" in result.out and "Frames" in result.out
    assert "Traceback" not in result.err
    assert listing(data) == before


def test_data_without_losses_passes(cli, data):
    (data / "broken.npy").unlink()
    result = cli("check", "toy", "--data", data)
    assert result.code == 0
    assert "Nothing is left out." in result.out


def test_programs_get_json_and_a_folder(cli, data, tmp_path):
    result = cli("check", "toy", "--data", data, "--json", "--out", tmp_path / "out")
    content = json.loads(result.out)
    assert result.code == 1
    assert (content["used"], content["dropped"]) == (3, 1)
    assert content["tables"] == [{"title": "Frames", "columns": ["least", "most"], "rows": [[3, 6]]}]
    assert {"kind": "empty-file", "name": "broken", "detail": "0 bytes", "dropped": True} in content["defects"]
    assert json.loads((tmp_path / "out" / "check.json").read_text()) == content


@pytest.mark.parametrize("out", [".", "inside/deeper"])
def test_nothing_is_written_into_the_data(cli, data, out):
    before = listing(data)
    for command in (["--data", data], ["--teacher", "--data", data]):
        result = cli("check", "toy", *command, "--out", data / out)
        assert result.code == 2
        assert "nothing is written" in result.err
    assert listing(data) == before


def test_what_cannot_be_checked_is_said_in_one_message(cli, toy, tmp_path):
    missing = cli("check", "toy", "--data", tmp_path / "nowhere")
    assert missing.code == 1 and "nowhere is no folder" in missing.err
    neither = cli("check", "toy")
    assert neither.code == 2 and "--data" in neither.err
    digits = cli("check", "digits", "--data", tmp_path)
    assert digits.code == 1 and "cannot examine data" in digits.err
    assert all("Traceback" not in result.err for result in (missing, neither, digits))


def test_a_good_teacher_is_shown(cli, toy, tmp_path):
    result = cli("check", "toy", "--teacher", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "brightness" in result.out and "finite and not constant on" in result.out
    assert (tmp_path / "out" / "teacher.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads(cli("check", "toy", "--teacher", "--json").out)
    assert content["picture"].endswith("teacher.png") and str(toy) in content["picture"]


def test_doubts_are_told_by_check_and_by_a_run(cli, toy):
    doubtful = ["--set", "teacher.threshold=1.0"]
    finished = cli("check", "toy", "--teacher", *doubtful)
    assert finished.code == 1
    assert "doubtful: it calls everything background" in finished.out
    assert (
        "calls everything background"
        in json.loads(cli("check", "toy", "--teacher", "--json", *doubtful).out)["doubts"][0]
    )
    run = cli("run", "toy", *doubtful, "--until", "label")
    assert run.code == 0
    assert "doubtful: it calls everything background" in run.out + run.err


def test_a_teacher_is_asked_about_labelled_clips_of_the_data(cli, data):
    result = cli("check", "toy", "--teacher", "--data", data)
    assert result.code == 0, result.err
    assert "checked on 2 samples" in result.out


@pytest.mark.parametrize(
    ("name", "reason"), [("constant", "the same logits everywhere"), ("not-finite", "not finite")]
)
def test_a_degenerate_teacher_is_refused_as_a_run_would(cli, toy, name, reason):
    result = cli("check", "toy", "--teacher", "--set", f"teacher.name={name}")
    assert result.code == 1
    assert reason in result.err
    run = cli("run", "toy", "--set", f"teacher.name={name}", "--until", "label")
    assert run.code == 1
    assert reason in run.err
