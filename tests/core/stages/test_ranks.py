"""Processes that work on one run end together, whichever dies or fails, and one of them says why."""

import os
import signal
import subprocess
import sys

import pytest

from kdkit import stopping
from kdkit.errors import DataError
from kdkit.stages.ranks import take_part

PROCESS = """
import signal, sys, time
from pathlib import Path
from kdkit import launch, stopping
from kdkit.errors import KdkitError
from kdkit.stages.ranks import take_part

stopping.handle_signals()
try:
    with take_part(Path(sys.argv[1])) as group:
        if group.leads:
            group.announce("one")
        for stage in ["one"] if group.leads else group.announced_stages():
            print("working", flush=True)
            BODY
except KdkitError as error:
    sys.exit(None if launch.is_reported() else f"error: {error.message}")
except KeyboardInterrupt:
    sys.exit(stopping.exit_code())
"""
WAIT = "time.sleep(3600)"
# Until all have begun, and something has been done to them: to the end of its input, which the tests close.
UNTIL_ASKED = "sys.stdin.read()"


@pytest.fixture
def start(tmp_path):
    """Start processes of one launch, each with what it does while the group works; none needs torch."""
    started = []

    def start_group(*bodies):
        processes = []
        for number, body in enumerate(bodies):
            names = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": len(bodies), "MASTER_ADDR": "127.0.0.1"}
            command = [sys.executable, "-c", PROCESS.replace("BODY", body), str(tmp_path / "run")]
            environment = os.environ | {name: str(value) for name, value in names.items()}
            pipe = subprocess.PIPE
            processes.append(
                subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            )
        started.extend(processes)
        for process in processes:
            assert process.stdout.readline() == "working\n", process.stderr.read()
        return processes

    yield start_group
    for process in started:
        process.kill()
        process.communicate()


def end_of(processes):
    """What they wrote, and that they ended long before they would have of themselves; the first is asked to go on."""
    return "".join([process.communicate(timeout=600)[1] for process in processes])


@pytest.mark.parametrize("victim", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_end_when_one_is_killed_and_one_says_so(start, victim):
    processes = start(WAIT, WAIT, WAIT)
    processes[victim].kill()
    output = end_of(processes)
    assert output.count("error: ") == 1 and "Traceback" not in output
    assert f"error: the process of rank {victim} (number {processes[victim].pid}) was killed" in output


def test_one_that_ends_with_0_before_its_work_is_done_has_failed(start):
    processes = start(WAIT, "import os; os._exit(0)")
    assert f"the process of rank 1 (number {processes[1].pid}) was killed" in end_of(processes)
    assert processes[0].returncode == 1


def test_a_process_that_this_one_has_started_is_told_with_its_exit_code(monkeypatch, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    monkeypatch.setattr("kdkit.launch._State.children", [child])
    with take_part(tmp_path) as group:
        assert "ended with exit code 0 before its work was done" in str(group.find_failure())


def test_when_the_first_fails_the_others_end_without_a_word(start, tmp_path):
    processes = start(f"{UNTIL_ASKED}; raise KdkitError('the report is bad')", WAIT, WAIT)
    assert end_of(processes) == "error: the report is bad\n"
    assert processes[0].returncode == 1
    assert not (tmp_path / "run").exists(), "neither lock nor anything else is left"


@pytest.mark.slow
def test_when_another_fails_the_first_says_why(start):
    processes = start(WAIT, WAIT, "raise KdkitError('sample 7 is bad')")
    assert end_of(processes) == "error: sample 7 is bad\n"
    assert processes[0].returncode == 1


@pytest.mark.slow
def test_an_error_that_is_no_more_than_the_echo_of_a_death_is_not_told(start):
    # As a collective does that loses its connection before anybody knows why.
    processes = start(f"{UNTIL_ASKED}; raise RuntimeError('connection closed by peer')", WAIT)
    processes[1].kill()
    assert "was killed" in (output := end_of(processes)) and "closed by peer" not in output


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_all_end_when_the_first_is_stopped(start, number, code):
    processes = start(WAIT, WAIT)
    processes[0].send_signal(number)
    end_of(processes)
    assert processes[0].returncode == code


@pytest.mark.slow
def test_one_that_waits_without_returning_to_python_is_ended_too(start):
    # A signal raises nothing while a library computes; here it is ignored.
    stuck = "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(3600)"
    processes = start(stuck, WAIT)
    processes[1].kill()
    assert "was killed" in end_of(processes)
    assert processes[0].returncode == 1


@pytest.mark.slow
def test_one_that_nobody_listens_to_any_more_is_ended_too(start):
    stuck = "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(3600)"
    processes = start(stuck, WAIT)
    processes[0].stderr.close()  # as of a terminal or a job that is gone
    processes[1].kill()
    assert processes[0].wait(timeout=600) == 1


def test_a_group_whose_work_is_done_leaves_nothing(start, tmp_path):
    processes = start(UNTIL_ASKED, "pass", "pass")
    assert end_of(processes) == ""
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_a_dead_launch_has_left_is_not_joined(start, tmp_path):
    for process in start(WAIT, WAIT):
        process.kill()
        process.wait()
    assert end_of(start(UNTIL_ASKED, "pass")) == ""


def test_a_run_fails_of_its_own_fault_in_a_process_that_was_asked_to_end_before(tmp_path):
    stopping.note(signal.SIGINT)
    with pytest.raises(DataError, match="its own"), take_part(tmp_path):
        raise DataError("its own fault")
    with pytest.raises(KeyboardInterrupt), take_part(tmp_path):
        stopping.note(signal.SIGINT)
        raise DataError("an echo of the interruption")
    stopping.forget()


def test_what_killed_processes_left_is_gone_after_the_next_start(start, tmp_path):
    processes = start(WAIT, WAIT)
    for process in processes:
        process.kill()
        process.wait()
    ranks = tmp_path / "run" / ".ranks"
    assert ranks.is_dir()
    with take_part(tmp_path / "run"):  # alone
        assert not ranks.exists()


def test_one_whose_first_is_gone_leaves_nothing(start, tmp_path):
    processes = start(WAIT, "time.sleep(1)")
    processes[0].kill()
    processes[0].wait()
    with take_part(tmp_path / "run"):
        end_of(processes[1:])
        assert not (tmp_path / "run" / ".ranks").exists()
