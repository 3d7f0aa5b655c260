"""Work in several processes: nothing that was made is lost."""

import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from kdkit.workers import map_in_processes, worker_number


def die_at_first(folder, number):
    """Kills its own process the first time that it is called with a number."""
    mark = Path(folder, str(number))
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def count_death(file):
    with Path(file).open("a") as deaths:
        deaths.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_call_whose_process_is_killed_is_made_again_and_no_other_is_lost(tmp_path):
    calls = [(str(tmp_path), number) for number in range(4)]
    assert sorted(map_in_processes(die_at_first, calls, 2, attempts=2)) == [0, 1, 2, 3]


def test_a_call_that_always_kills_its_process_is_given_up(tmp_path):
    with pytest.raises(BrokenProcessPool):
        list(map_in_processes(count_death, [(str(tmp_path / "deaths"),)], 1, attempts=3))
    assert (tmp_path / "deaths").read_text() == "xxx"


def test_workers_take_no_semaphores_which_a_kill_would_leave_behind(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a semaphore")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    assert list(map_in_processes(divmod, [(7, 2)], 1)) == [(3, 1)]


def test_an_error_comes_as_it_was_raised():
    with pytest.raises(ZeroDivisionError):
        list(map_in_processes(divmod, [(1, 0)], 1))


def test_the_results_of_the_calls_under_way_come_after_an_interruption():
    results = []
    with pytest.raises(KeyboardInterrupt):
        for result in map_in_processes(time.sleep, [(0.5,)] * 40, 2):
            results.append(result)
            if len(results) == 2:
                os.kill(os.getpid(), signal.SIGINT)
    assert 4 <= len(results) < 40


def test_an_interruption_does_not_hide_behind_a_call_that_fails():
    with pytest.raises(KeyboardInterrupt):
        for result in map_in_processes(divmod, [(1, 1), (1, 1), *[(1, 0)] * 8], 1):
            assert result == (1, 0)
            os.kill(os.getpid(), signal.SIGINT)


def number_of_worker(folder):
    """Ends when three processes are in it."""
    Path(folder, str(os.getpid())).touch()
    while len(os.listdir(folder)) < 3:  # noqa: PTH208
        time.sleep(0.01)
    return worker_number(), os.getpid()


def test_each_process_has_a_number_of_its_own(tmp_path):
    pairs = set(map_in_processes(number_of_worker, [(str(tmp_path),)] * 9, 3))
    assert {number for number, _ in pairs} == {0, 1, 2} and len(pairs) == 3
