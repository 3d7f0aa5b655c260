"""``kdkit sweep``: points are run once, failures told, and what was stopped goes on."""

import csv
import json
import os
import signal

import pytest
from kdkit_cli import sweep_command
from test_interruption import alive, wait_for, worker_of

from kdkit.sweep import execution
from kdkit.sweep import results as page

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1")
SET = [part for setting in SMALL for part in ("--set", setting)]


def rows(folder):
    with (folder / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def weight_times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("points/*/student/weights.safetensors")}


def test_a_point_that_fails_is_told_and_the_others_go_on(toy, cli, tmp_path):
    command = ("sweep", "toy", "--grid", "generator.fail_at=null,3", *SET, "--grid", "student.gain=1,2", "--out", "s")
    result = cli(*command)
    assert result.code == 1
    assert "2 of 4 points failed" in result.err and "disc 3 is broken" in result.err
    assert "Traceback" not in result.err
    folder = tmp_path / "s"
    table = rows(folder)
    assert [(row["generator.fail_at"], row["student.gain"]) for row in table] == [
        ("null", "1"),
        ("null", "2"),
        ("3", "1"),
        ("3", "2"),
    ]
    assert [bool(row["overlap"]) for row in table] == [bool(not row["failure"]) for row in table]
    assert "failed: " in (folder / "sweep.html").read_text()
    for row in table[:2]:
        scores = json.loads((folder / row["run"] / "scores.json").read_text())
        assert set(scores) == {"teacher", "student", "differences"}
        assert float(row["overlap"]) == scores["student"]["overlap"]["value"]
        assert float(row["peak_memory_bytes"]) > 4 * float(row["weights"])
    # Targets were made once for both sizes, and what is whole is not made again.
    assert len(list((toy / "store" / "targets").iterdir())) == 1
    before = weight_times(folder)
    assert cli(*command).code == 1
    assert weight_times(folder) == before


def test_the_page_is_written_while_points_end(toy, cli, tmp_path, monkeypatch):
    pages = []
    monkeypatch.setattr(sweep_command, "REFRESH_SECONDS", -1.0)
    monkeypatch.setattr(page, "write_text", lambda path, text: pages.append(text))
    assert cli("sweep", "toy", *SET, "--grid", "student.gain=1,2", "--out", "s").code == 0
    assert ["has yet to run" in text for text in pages] == [True, False]


def test_what_is_known_when_it_is_stopped_is_written(toy, cli, tmp_path, monkeypatch):
    run_points = execution.run_points

    def stop_after_one(*arguments):
        yield next(run_points(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "run_points", stop_after_one)
    assert cli("sweep", "toy", *SET, "--grid", "student.gain=1,2", "--out", "s").code == 130
    assert [bool(row["overlap"]) for row in rows(tmp_path / "s")] == [True, False]
    assert "1 of them yet to run" in (tmp_path / "s" / "sweep.html").read_text()


def test_a_wrong_grid_is_told_before_anything_runs(toy, cli):
    result = cli("sweep", "toy", "--grid", "student.gains=1,2", "--grid", "seed=a")
    assert result.code == 2
    assert "2 problems" in result.err and "did you mean gain?" in result.err
    assert not toy.exists()
    assert "--grid path=v1,v2" in cli("sweep", "toy").err


@pytest.mark.slow
def test_several_points_at_once_end_with_the_command_and_do_not_end_each_other(toy, process, cli):
    endless = [*SET, "--set", "training.epochs=1000000"]
    grid = ("--grid", "student.gain=1,2", "--jobs", "2", "--out", "s")
    # Samples and targets are there already, so that the command itself has no need of torch.
    assert cli("run", "toy", *SET, "--until", "label").code == 0
    command = process("sweep", "toy", *grid, *endless)
    wait_for(lambda: len({p.parent for p in toy.parent.rglob("epoch-*.ckpt")}) == 2 or command.poll() is not None)
    os.kill(worker_of(command.pid), signal.SIGKILL)
    output = ""
    while "its process was killed" not in output:
        line = command.stderr.readline()
        assert line, output
        output += line
    assert alive(command.pid) and command.poll() is None
    os.killpg(command.pid, signal.SIGINT)
    _, rest = command.communicate(timeout=600)
    assert command.returncode == 130
    assert "error: stopped" in rest and "Traceback" not in output + rest
    wait_for(lambda: not alive(command.pid))


@pytest.mark.parametrize("module", ["forked_points", pytest.param("", id="started", marks=pytest.mark.slow)])
def test_several_points_at_once_give_what_one_after_the_other_gives(toy, cli, fork_server, tmp_path, module):
    grid = ("--grid", "student.gain=1,2", *SET)
    jobs = ("sweep", "toy", *grid, "--jobs", "2", "--out", "many")
    code, printed = fork_server.run(tmp_path / "log", *jobs, module=module)
    assert code == 0, printed
    assert cli("sweep", "toy", *grid, "--out", "one").code == 0
    many, one = ([(row["student.gain"], row["overlap"]) for row in rows(tmp_path / name)] for name in ("many", "one"))
    assert many == one


def test_more_seeds_are_added_to_the_same_points(toy, cli, tmp_path):
    command = ("sweep", "toy", *SET, "--grid", "student.gain=1,2")
    assert cli(*command).code == 0
    (folder,) = (toy / "toy").glob("sweep-*")
    before = weight_times(folder)
    assert "overlap_spread" not in rows(folder)[0]
    assert "One training seed for each point" in (folder / "sweep.html").read_text()
    assert cli(*command, "--seeds", "2").code == 0
    assert [*(toy / "toy").glob("sweep-*")] == [folder]
    assert weight_times(folder) == before
    assert len([*folder.glob("points/*/student-seed1/weights.safetensors")]) == 2
    for row in rows(folder):
        score = json.loads((folder / row["run"] / "scores.json").read_text())["student"]["overlap"]
        assert float(row["overlap"]) == score["value"] and len(score["seeds"]) == 2
        assert float(row["overlap_spread"]) == score["spread"]
    assert "mean of 2 training seeds" in (folder / "sweep.html").read_text()
    finished = cli("sweep", "toy", *SET, "--grid", "training.seeds=1,2")
    assert finished.code == 2 and "is the same run as" in finished.err
