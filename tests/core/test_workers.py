"""Work in several processes: nothing that was made is lost."""

import os
import signal
import time

import pytest

from kdkit.workers import map_in_processes


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
