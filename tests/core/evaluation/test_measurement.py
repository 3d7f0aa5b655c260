"""Measuring in several processes, and what every number can be recomputed from."""

import csv
import json
import os
import signal
from collections import defaultdict

import numpy as np
import pytest

from kdkit import Metric
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation import measurement
from kdkit.evaluation.case_table import CASES_SUFFIX, CaseTable, format_cases, parse_cases
from kdkit.evaluation.measurement import measure_each
from kdkit.stages.pipeline import run_stages

SMALL = ["samples.train=4", "samples.validation=2", "samples.evaluation=8", "training.epochs=1", "trainer.workers=1"]


def process_and_square(index):
    return os.getpid(), index**2


def refuse_five(index):
    if index == 5:
        raise DataError("the fifth is damaged", "Mend it.")
    return index


def end_the_process(index):
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


class Mean(Metric):
    """The mean of what comes first in each case."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        return [(float(prediction.mean()),)]


@pytest.fixture
def whole_run(prepare):
    """A small run, whole to the end."""
    run = prepare(*SMALL)
    run_stages(run)
    return run


@pytest.fixture
def impatient(monkeypatch):
    """Processes are worth it after the first sample."""
    monkeypatch.setattr(measurement, "SECONDS_WORTH_PROCESSES", -1)


def test_what_takes_long_is_shared_and_comes_in_order(impatient):
    results = list(measure_each(process_and_square, range(40), 2))
    assert [square for _, square in results] == [index**2 for index in range(40)]
    processes = [process for process, _ in results]
    assert processes[0] == os.getpid()
    assert os.getpid() not in processes[1:]
    assert len(set(processes)) == 3


def test_what_is_soon_done_stays_in_this_process():
    assert {process for process, _ in measure_each(process_and_square, range(40), 2)} == {os.getpid()}


def test_one_worker_and_what_cannot_be_sent_stay_in_this_process(impatient):
    assert {process for process, _ in measure_each(process_and_square, range(9), 1)} == {os.getpid()}
    assert list(measure_each(lambda index: os.getpid() + index, range(3), 2)) == [os.getpid() + i for i in range(3)]


def test_an_error_of_another_process_is_raised_whole(impatient):
    with pytest.raises(DataError, match=r"the fifth is damaged\n  Mend it\."):
        list(measure_each(refuse_five, range(40), 2))


@pytest.mark.slow
def test_a_killed_process_is_one_message(impatient):
    with pytest.raises(KdkitError, match=r"killed, perhaps for lack of memory\n.*trainer\.workers"):
        list(measure_each(end_the_process, range(40), 2))


def test_scores_are_the_same_bit_for_bit_in_several_processes(impatient, whole_run, prepare, monkeypatch):
    alone = {name: getattr(whole_run.folder, name).read_bytes() for name in ("scores_file", "cases_file")}
    run = prepare(*SMALL[:-1], "trainer.workers=2")
    pools = []
    original = measurement.map_in_processes
    monkeypatch.setattr(measurement, "map_in_processes", lambda *a: pools.append(a[-1]) or original(*a))
    run_stages(run, first="evaluate")
    assert pools == [2]
    assert {name: getattr(run.folder, name).read_bytes() for name in alone} == alone


def test_every_number_follows_from_the_cases_alone(whole_run):
    scores = json.loads(whole_run.folder.scores_file.read_text())
    differences = scores.pop("differences")
    with whole_run.folder.cases_file.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = defaultdict(dict)
    for row in rows:
        values[row["model"]][row["index"]] = float(row["overlap"])
    for model, by_name in scores.items():
        assert np.mean(list(values[model].values())) == pytest.approx(by_name["overlap"]["value"], rel=1e-12)
        assert len(values[model]) == by_name["overlap"]["n"]
    for pair, by_name in differences.items():
        model, other = pair.split("-")
        gaps = [values[model][index] - values[other][index] for index in values[model]]
        assert np.mean(gaps) == pytest.approx(by_name["overlap"]["value"], abs=1e-12)


def test_cases_are_written_where_values_are_not_all():
    table = CaseTable({"plain": Mean(), "several": Mean()})
    several = np.array([[0.1, 2.0], [1 / 3, 4.0]])
    table.add(0, {"name": "a", "unit": 7}, "student", {"plain": np.array([[0.5]]), "several": several})
    table.add(1, {}, "student", {"plain": None, "several": None})
    first, second = table.rows()
    assert list(first) == ["sample", "index", "unit", "model", "plain", "several", f"several{CASES_SUFFIX}"]
    assert (first["unit"], first["plain"], second["plain"], second["unit"]) == ("7", 0.5, None, "")
    assert np.array_equal(parse_cases(first[f"several{CASES_SUFFIX}"]), several)
    assert second[f"several{CASES_SUFFIX}"] == ""


@pytest.mark.parametrize("cases", [[[0.1]], [[1e-300, -0.0], [3.0, 2**60]], [[float("nan")]]])
def test_cases_survive_their_cell(cases):
    assert np.array_equal(parse_cases(format_cases(np.array(cases))), np.array(cases), equal_nan=True)
