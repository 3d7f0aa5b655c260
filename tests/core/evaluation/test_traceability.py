"""Every number of a run's page follows from the rows of ``cases.csv`` alone."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from kdkit.contracts.shares import share_difference_interval

SETTINGS = (
    "samples.train=200",
    "samples.validation=40",
    "samples.evaluation=30",
    "training.epochs=3",
    "controls=[{generator: {name: noise, shape: [8, 8]}, epochs: 1}]",
)


@pytest.mark.slow
def test_scores_differences_verdicts_and_retention_follow_from_the_rows(cli, tmp_path):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    result = cli("run", "digits", *settings, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "run" / "scores.json").read_text())
    differences = content.pop("differences")
    right: dict[str, list[float]] = {}
    with (tmp_path / "run" / "cases.csv").open() as file:
        for row in csv.DictReader(file):
            right.setdefault(row["model"], []).append(float(row["accuracy"]))
    assert set(right) == set(content) == {"teacher", "student", "control"}
    for model, values in right.items():
        score = content[model]["accuracy"]
        assert (score["n"], score["value"]) == (30, pytest.approx(np.mean(values)))
        expected = stats.binomtest(int(sum(values)), 30).proportion_ci(method="wilson")
        assert (score["ci_low"], score["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert set(differences) == {"student-teacher", "student-control", "teacher-control"}
    for pair, by_metric in differences.items():
        first, other = (np.array(right[model]) for model in pair.split("-"))
        found = by_metric["accuracy"]
        low, high = share_difference_interval((first > other).mean(), (first < other).mean(), 30)
        assert found["value"] == pytest.approx((first - other).mean())
        assert (found["ci_low"], found["ci_high"]) == pytest.approx((low, high), abs=1e-9)
        margin = found["margin"]
        if low > -margin:
            verdict = "slightly worse" if high < 0 else "equivalent or better"
        else:
            verdict = "worse" if high < -margin else "cannot tell"
        assert found["verdict"] == verdict
    page = (tmp_path / "run" / "report.html").read_text()
    floor, ceiling = np.mean(right["control"]), np.mean(right["teacher"])
    share = (np.mean(right["student"]) - floor) / (ceiling - floor)
    assert f"<b>{100 * share:.0f}&nbsp;%</b>" in page or f"<b>{100 * share:.0f}\u00a0%</b>" in page
