"""``kdkit predict`` beside what it wrote before: results are no inputs, and none outlive what describes them."""

import csv
import errno
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from test_predict import replace_weights, rows

PICTURE = "picture.npy"


@pytest.fixture
def clips(tmp_path):
    """A folder of three clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for number, name in enumerate("abc"):
        np.save(folder / f"{name}.npy", np.full((4, 16, 16), 50 * number, np.uint8))
    return folder


@pytest.fixture
def writes(toy, monkeypatch):
    """The suffixes that the domain writes for each file; one of them is that of an input."""
    from kdkit_toy.domain import Toy

    suffixes = [".npz", ".npy"]

    def write(self, path, sample, prediction, stem):
        for suffix in suffixes:
            with stem.with_name(f"{stem.name}{suffix}").open("wb") as file:
                np.save(file, np.round(prediction * 255).astype(np.uint8))
        return {"frames": len(prediction)}

    monkeypatch.setattr(Toy, "write", write)
    return suffixes


@pytest.fixture
def other(trained, tmp_path):
    """Another student."""
    from safetensors.numpy import load_file

    folder = shutil.copytree(trained / "student", tmp_path / "other")
    weights = load_file(folder / "weights.safetensors")
    replace_weights(folder, {name: value * 0.5 for name, value in weights.items()})
    return folder


def results(out):
    return sorted(path.name for path in out.glob("[!.]*") if path.name not in ("index.html", "summary.csv"))


def inputs(out):
    return [Path(row["file"]).name for row in rows(out)]


class TestFoldersOfResults:
    def test_the_same_command_goes_on_where_its_results_lie_among_its_inputs(self, trained, clips, cli, writes):
        out = clips / "deeper" / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        again = cli("predict", trained, clips, "--out", out)
        assert again.code == 0 and "3 files predicted before" in again.out
        assert again.err.count("left out:") == 1 and f"1 folder with results of kdkit predict ({out})" in again.err
        assert inputs(out) == ["a.npy", "b.npy", "c.npy"]

    def test_clips_below_the_folder_of_results_are_inputs_again(self, trained, clips, cli, writes):
        above = clips.parent / "above"
        above.mkdir()
        shutil.move(clips, above / "deeper")
        assert cli("predict", trained, above, "--out", above).code == 0
        np.save(above / "deeper" / "d.npy", np.zeros((4, 16, 16), np.uint8))
        again = cli("predict", trained, above, "--out", above)
        assert again.code == 0 and "3 files predicted before" in again.out
        assert inputs(above) == ["a.npy", "b.npy", "c.npy", "d.npy"]

    def test_a_users_own_table_makes_no_folder_of_results(self, trained, clips, cli, writes, tmp_path):
        (clips / "summary.csv").write_text("file,output,label\na.npy,x,1\n")
        assert cli("predict", trained, clips, "--out", tmp_path / "out").code == 0
        assert inputs(tmp_path / "out") == ["a.npy", "b.npy", "c.npy"]

    @pytest.mark.parametrize("log", ['{"key": "k"}\n{"file": [], "digest": ""}\n', "[]", "", "\0"])
    def test_a_strange_log_stops_nothing(self, trained, clips, cli, writes, tmp_path, log):
        (clips / "sub").mkdir()
        (clips / "sub" / ".predictions.jsonl").write_text(log)
        assert cli("predict", trained, clips, "--out", tmp_path / "out").code == 0
        assert inputs(tmp_path / "out") == ["a.npy", "b.npy", "c.npy"]

    def test_an_earlier_commands_pictures_are_no_inputs_of_another(self, trained, clips, cli, writes):
        for name in ("out", "out2", "out3"):
            result = cli("predict", trained, clips, "--out", clips / name)
            assert result.code == 0 and inputs(clips / name) == ["a.npy", "b.npy", "c.npy"]
        assert "2 folders with results of kdkit predict" in result.err

    def test_a_command_that_was_stopped_before_its_first_result_has_a_folder_of_results(
        self, trained, clips, cli, writes, monkeypatch
    ):
        from kdkit_toy.domain import Toy

        real = Toy.read

        def interrupted(self, path):
            raise KeyboardInterrupt

        monkeypatch.setattr(Toy, "read", interrupted)
        assert cli("predict", trained, clips, "--out", clips / "out").code == 130
        np.save(clips / "out" / PICTURE, np.zeros((2, 8, 8), np.uint8))
        monkeypatch.setattr(Toy, "read", real)
        assert cli("predict", trained, clips, "--out", clips / "other").code == 0
        assert inputs(clips / "other") == ["a.npy", "b.npy", "c.npy"]

    def test_results_that_were_copied_without_the_hidden_log_are_known_by_their_table(
        self, trained, clips, cli, writes, tmp_path
    ):
        assert cli("predict", trained, clips, "--out", tmp_path / "out").code == 0
        shutil.copytree(tmp_path / "out", clips / "copied", ignore=shutil.ignore_patterns(".*"))
        assert cli("predict", trained, clips, "--out", tmp_path / "out2").code == 0
        assert inputs(tmp_path / "out2") == ["a.npy", "b.npy", "c.npy"]

    def test_a_folder_of_results_that_is_named_is_not_searched_and_its_files_can_be_named(
        self, trained, clips, cli, writes, tmp_path
    ):
        out = clips / "out"
        assert cli("predict", trained, clips / "a.npy", "--out", out).code == 0
        refused = cli("predict", trained, out, "--out", tmp_path / "x")
        assert refused.code == 1 and f"{out} holds results of kdkit predict" in refused.err
        assert not (tmp_path / "x").exists()
        assert cli("predict", trained, *sorted(clips.iterdir()), "--out", out).code == 0  # as a shell's * names them
        assert inputs(out) == ["a.npy", "b.npy", "c.npy"]
        assert cli("predict", trained, out / "a.npy", "--out", tmp_path / "x").code == 0
        assert inputs(tmp_path / "x") == ["a.npy"]

    @pytest.mark.parametrize(
        "name_and_text",
        [
            ("summary.csv", "patient,file,output\n1,a,b\n"),
            ("summary.csv", ""),
            (".predictions.jsonl", '["key"]\n'),
            (".predictions.jsonl", "\x00"),
            (".predictions.jsonl", "{}"),
        ],
    )
    def test_a_users_own_folder_is_searched_and_never_written_to(self, trained, clips, cli, tmp_path, name_and_text):
        name, text = name_and_text
        (clips / name).write_text(text)
        before = {path: path.read_bytes() for path in clips.iterdir()}
        assert cli("predict", trained, clips, "--out", clips).code == 2
        assert cli("predict", trained, clips, "--out", tmp_path / "out").code == 0
        assert len(rows(tmp_path / "out")) == 3
        assert {path: path.read_bytes() for path in clips.iterdir()} == before


class TestLeftovers:
    def test_what_is_predicted_anew_leaves_nothing_of_before(self, trained, other, clips, cli, writes, tmp_path):
        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        (out / "a.mine").write_text("mine")
        (out / "b.npz.bak").write_text("mine")
        writes[:] = [".txt"]
        assert cli("predict", other, clips, "--out", out).code == 0
        assert results(out) == ["a.mine", "a.txt", "b.npz.bak", "b.txt", "c.txt"]
        np.save(out / "a.npz.npy", np.zeros(3))
        (out / "a.npz.npy").rename(out / "a.npz")  # since then it is nobody's but the user's
        assert cli("predict", other, clips, "--out", out).code == 0
        assert "a.npz" in results(out)

    def test_a_changed_file_takes_only_its_own_results_away(self, trained, clips, cli, writes, tmp_path):
        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        np.save(clips / "b.npy", np.full((4, 16, 16), 9, np.uint8))
        writes[:] = [".txt"]
        assert "2 files predicted before" in cli("predict", trained, clips, "--out", out).out
        assert results(out) == ["a.npy", "a.npz", "b.txt", "c.npy", "c.npz"]

    def test_results_of_a_file_that_is_no_input_this_time_stay_until_it_is(
        self, trained, other, clips, cli, writes, tmp_path
    ):
        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        writes[:] = [".txt"]
        for _ in range(2):
            assert cli("predict", other, clips / "a.npy", "--out", out).code == 0
            assert results(out) == ["a.txt", "b.npy", "b.npz", "c.npy", "c.npz"]
        assert cli("predict", other, clips, "--out", out).code == 0
        assert results(out) == ["a.txt", "b.txt", "c.txt"]

    def test_results_of_another_file_do_not_stay_under_a_name_that_is_taken(
        self, trained, clips, cli, writes, tmp_path
    ):
        out = tmp_path / "out"
        (tmp_path / "second").mkdir()
        np.save(tmp_path / "second" / "a.npy", np.full((4, 16, 16), 9, np.uint8))
        assert cli("predict", trained, clips, "--out", out).code == 0
        writes[:] = [".txt"]
        assert cli("predict", trained, tmp_path / "second", "--out", out).code == 0
        assert results(out) == ["a.txt", "b.npy", "b.npz", "c.npy", "c.npz"]

    def test_a_file_that_cannot_be_read_any_more_keeps_what_was_made_of_it(
        self, trained, other, clips, cli, writes, tmp_path
    ):
        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        (clips / "b.npy").write_text("no array")
        writes[:] = [".txt"]
        assert cli("predict", other, clips, "--out", out).code == 0
        assert results(out) == ["a.txt", "b.npy", "b.npz", "c.txt"]

    def test_a_copy_of_a_file_leaves_no_results_of_its_own(self, trained, clips, cli, writes, tmp_path):
        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        np.save(clips / "a.npy", np.full((4, 16, 16), 9, np.uint8))
        shutil.copy(clips / "a.npy", clips / "b.npy")
        assert cli("predict", trained, clips, "--out", out).code == 0
        assert results(out) == ["a.npy", "a.npz", "c.npy", "c.npz"]

    def test_a_disk_that_takes_small_letters_for_capitals_loses_nothing(
        self, trained, other, clips, cli, writes, tmp_path
    ):
        out = tmp_path / "out"
        (clips / "b.npy").rename(clips / "B.npy")
        assert cli("predict", trained, clips / "B.npy", "--out", out).code == 0
        (clips / "B.npy").rename(clips / "b.npy")
        for suffix in writes:  # what such a disk would show of the one file
            (out / f"B{suffix}").rename(out / f"b{suffix}")
        assert cli("predict", other, clips / "b.npy", "--out", out).code == 0
        assert results(out) == ["b.npy", "b.npz"]

    @pytest.mark.parametrize("names", [["../mine"], ["/tmp/mine"], ["folder"], [["a"]], 5, None, {"a": 1}])
    def test_a_log_from_elsewhere_removes_nothing_outside(self, trained, clips, cli, tmp_path, names):
        out = tmp_path / "out"
        (out / "folder").mkdir(parents=True)
        (tmp_path / "mine").write_text("mine")
        lines = [
            {"key": "k"},
            {"leftovers": {"../mine": [str(clips / "a.npy"), "a"], "folder": [str(clips / "a.npy"), "a"], "x": 1}},
            {"leftovers": 3},
            {"file": str(clips / "a.npy"), "digest": "", "stem": "a", "written": names},
            7,
        ]
        (out / ".predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        result = cli("predict", trained, clips, "--out", out)
        assert result.code == 0, result.err
        assert (tmp_path / "mine").is_file() and (out / "folder").is_dir()


class TestInterrupted:
    @pytest.mark.parametrize("reason", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
    def test_what_the_summary_still_describes_is_there(
        self, trained, other, clips, cli, writes, tmp_path, monkeypatch, reason
    ):
        from kdkit_toy.domain import Toy

        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        before = (out / "summary.csv").read_bytes()
        real = Toy.write

        def write(self, path, *rest):
            if path.stem == stopped:
                raise reason
            return real(self, path, *rest)

        writes[:] = [".txt"]
        monkeypatch.setattr(Toy, "write", write)
        stopped = "a"
        assert cli("predict", other, clips, "--out", out).code in (1, 130)
        assert (out / "summary.csv").read_bytes() == before
        assert results(out) == [f"{name}{suffix}" for name in "abc" for suffix in (".npy", ".npz")]
        stopped = "b"
        assert cli("predict", other, clips, "--out", out).code in (1, 130)
        assert inputs(out) == ["a.npy"]
        assert results(out) == ["a.txt", "b.npy", "b.npz", "c.npy", "c.npz"]
        stopped = ""
        assert cli("predict", other, clips, "--out", out).code == 0
        assert results(out) == ["a.txt", "b.txt", "c.txt"]

    @pytest.mark.parametrize("place", ["write_summary", "remove_leftovers", "_write"])
    @pytest.mark.parametrize("time", [1, 2])
    def test_killed_anywhere_it_is_set_right_by_the_next(
        self, trained, other, clips, cli, writes, tmp_path, place, time
    ):
        from kdkit.engine.prediction_log import PredictionLog

        out = tmp_path / "out"
        assert cli("predict", trained, clips, "--out", out).code == 0
        writes[:] = [".txt"]
        child = os.fork()
        if child == 0:
            try:
                real, calls = getattr(PredictionLog, place), []

                def killed(log):
                    calls.append(1)
                    if len(calls) == time:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(log)

                setattr(PredictionLog, place, killed)
                cli("predict", other, clips, "--out", out)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with (out / "summary.csv").open() as file:
            described = [row["output"] for row in csv.DictReader(file)]
        assert all(list(out.glob(f"{name}.*")) for name in described)
        assert cli("predict", other, clips, "--out", out).code == 0
        assert results(out) == ["a.txt", "b.txt", "c.txt"]
        assert inputs(out) == ["a.npy", "b.npy", "c.npy"]


def test_what_the_user_has_changed_since_is_kept(trained, other, clips, cli, writes, tmp_path):
    out = tmp_path / "out"
    assert cli("predict", trained, clips, "--out", out).code == 0
    np.save(out / "a.npy", np.ones(3))
    later = (out / ".predictions.jsonl").stat().st_mtime_ns + 10**9
    os.utime(out / "a.npy", ns=(later, later))
    writes[:] = [".npz"]
    assert cli("predict", other, clips, "--out", out).code == 0
    assert results(out) == ["a.npy", "a.npz", "b.npz", "c.npz"]
    assert np.load(out / "a.npy").tolist() == [1, 1, 1]
