"""The share of the way from the floor to the ceiling."""

from dataclasses import replace

import pytest

from kdkit.contracts.metric import Score
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.outcome import Outcome
from kdkit.evaluation.retention import measure_retention


def outcome(higher, **values):
    scores = {
        model: {
            "x": Score(
                value, None if value is None else value - 0.1, None if value is None else value + 0.1, 9, "", higher
            )
        }
        for model, value in values.items()
    }
    return Outcome("x", scores, {}, {}, [])


def test_without_real_data_the_teacher_is_the_ceiling():
    found = measure_retention(outcome(True, teacher=0.9, student=0.8, noise=0.5, truth=1.0))
    assert (found.floor, found.ceiling) == ("noise", "teacher")
    assert {m: round(s.value, 3) for m, s in found.shares.items()} == {
        "teacher": 1.0,
        "student": 0.75,
        "noise": 0.0,
        "truth": 1.25,
    }
    assert (found.shares["student"].low, found.shares["student"].high) == pytest.approx((0.5, 1.0))


def test_the_control_on_real_data_is_the_ceiling():
    found = measure_retention(outcome(True, teacher=0.9, student=0.75, noise=0.5, mine=0.8), ["mine"])
    assert found.ceiling == "mine"
    assert found.shares["student"].value == pytest.approx(0.25 / 0.3)


def test_an_error_falls_and_a_bias_approaches_zero_on_the_way_up():
    assert measure_retention(outcome(False, teacher=1.0, student=2.0, noise=5.0)).shares["student"].value == 0.75
    found = measure_retention(outcome(None, teacher=0.0, student=-0.05, noise=4.0)).shares["student"]
    assert found.value == pytest.approx(0.9875)
    assert (found.low, found.high) == pytest.approx((1 - 0.15 / 4, 1.0))


@pytest.mark.parametrize(
    "values",
    [
        {"teacher": 0.9, "student": 0.8},
        {"teacher": 0.5, "student": 0.8, "noise": 0.5},
        {"teacher": 0.4, "student": 0.8, "noise": 0.5},
        {"teacher": None, "student": 0.8, "noise": 0.5},
        {"teacher": 0.9, "student": 0.8, "noise": None},
    ],
)
def test_there_is_no_way_without_a_floor_below_a_ceiling(values):
    assert measure_retention(outcome(True, **values)) is None


def test_a_model_without_a_score_has_no_place():
    assert "student" not in measure_retention(outcome(True, teacher=0.9, student=None, noise=0.5)).shares


def test_people_have_no_place_on_the_way_of_models():
    assert "humans" not in measure_retention(outcome(True, teacher=0.9, student=0.8, noise=0.5, humans=0.95)).shares


@pytest.mark.parametrize(("higher", "low", "high", "certain"), [
    (True, 0.1, 0.5, True), (True, -0.1, 0.5, False), (False, -0.5, -0.1, True), (False, -0.5, 0.1, False),
    (None, -0.5, -0.1, True), (True, None, None, False),
])  # fmt: skip
def test_of_a_way_that_may_be_none_there_are_no_shares(higher, low, high, certain):
    values = (
        {"teacher": 0.9, "student": 0.8, "noise": 0.5} if higher else {"teacher": 0.1, "student": 0.2, "noise": 0.5}
    )
    measured = outcome(higher, **values)
    gap = JudgedDifference(0.0, low, high, 9, 9)
    measured = replace(measured, differences={"teacher-noise": {"x": gap}})
    assert (measure_retention(measured) is not None) == certain
