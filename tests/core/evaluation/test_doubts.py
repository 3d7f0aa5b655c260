"""What is silently wrong with a teacher, a student or a metric is found, and what is well is not doubted."""

import numpy as np
import pytest

from kdkit import DataError, Sample
from kdkit.evaluation.doubts import Doubts
from kdkit.evaluation.prediction_doubts import PredictionSummary, doubts_about_student
from kdkit.evaluation.training_doubts import doubts_about_training

RNG = np.random.default_rng(0)
MASKS = RNG.integers(0, 2, (8, 5, 12, 12)).astype(np.float32) * 0.9 + 0.05
CLASSES = RNG.dirichlet(np.ones(4), 8).astype(np.float32)
INPUTS = RNG.integers(0, 256, MASKS.shape).astype(np.float32)


def summary(predictions, teacher=None, activation="sigmoid"):
    result = PredictionSummary(activation)
    for number, prediction in enumerate(predictions):
        result.add(prediction, INPUTS[number], None if teacher is None else teacher[number])
    return result


def doubts(predictions, teacher, activation="sigmoid"):
    return " ".join(
        doubts_about_student(summary(predictions, teacher, activation), summary(teacher, None, activation))
    )


ALIKE = np.repeat(MASKS.mean(0, keepdims=True), 8, 0)


@pytest.mark.parametrize(
    ("predictions", "told"),
    [
        (MASKS, ""),
        (np.zeros_like(MASKS), "calls everything background"),
        (np.ones_like(MASKS), "calls everything foreground"),
        (MASKS.round(), "is saturated"),
        (ALIKE, "hardly depends on the input"),
        (ALIKE + 1e-4 * MASKS, "hardly depends on the input"),
    ],
)
def test_a_teachers_predictions_of_masks(predictions, told):
    text = " ".join(summary(predictions).doubts())
    assert told in text and bool(text) == bool(told)


@pytest.mark.parametrize(
    ("predictions", "told"),
    [
        (MASKS, ""),
        (MASKS * 0.7 + 0.2, ""),
        (np.zeros_like(MASKS), "calls everything background"),
        (np.full_like(MASKS, 0.4), "no nearer to them than one constant answer"),
        (ALIKE, "hardly depends on the input"),
        (1 - MASKS, "no nearer"),
        (RNG.uniform(0, 1, MASKS.shape).astype(np.float32), "no nearer"),
    ],
)
def test_a_students_predictions_of_masks(predictions, told):
    text = doubts(predictions, MASKS)
    assert told in text and bool(text) == bool(told)


@pytest.mark.parametrize(
    ("predictions", "told"),
    [
        (CLASSES, ""),
        (np.full_like(CLASSES, 0.25), "no nearer"),
        (np.eye(4, dtype=np.float32)[[2] * 8], "predicts class 2 for each of 8 samples"),
        (np.roll(CLASSES, 1, -1), "no nearer"),
    ],
)
def test_a_students_predictions_of_classes(predictions, told):
    text = doubts(predictions, CLASSES, "softmax")
    assert told in text and bool(text) == bool(told)


def test_the_share_that_is_explained_is_the_coefficient_of_determination():
    student = MASKS * 0.5 + 0.3
    expected = 1 - ((student - MASKS) ** 2).sum() / ((MASKS - MASKS.mean()) ** 2).sum()
    assert summary(student, MASKS).explained == pytest.approx(expected, rel=1e-5)
    classes = 1 - ((CLASSES[::-1] - CLASSES) ** 2).sum() / ((CLASSES - CLASSES.mean(0)) ** 2).sum()
    assert summary(CLASSES[::-1], CLASSES, "softmax").explained == pytest.approx(classes, rel=1e-5)


def test_what_the_teacher_does_alike_is_no_fault_of_the_student():
    empty = MASKS * 0.1
    assert "background" not in doubts(empty, empty)


def test_clips_of_several_lengths_are_compared_all_the_same():
    uneven = [mask[: 2 + number % 3] for number, mask in enumerate(ALIKE)]
    result = PredictionSummary("sigmoid")
    for number, prediction in enumerate(uneven):
        result.add(prediction, INPUTS[number][: len(prediction)])
    assert "hardly depends" in " ".join(result.doubts())


def test_predictions_of_another_number_of_frames_are_refused():
    with pytest.raises(DataError, match=r"sample is \(4, 12, 12\), the teacher's \(5, 12, 12\)"):
        summary([MASKS[0][:4]], [MASKS[0]])


def losses(train, validation=None):
    pairs = zip(train, validation or train, strict=True)
    return [{"epoch": number, "train_loss": t, "validation_loss": v} for number, (t, v) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("history", "told"),
    [
        (losses([0.7, 0.5, 0.4]), ""),
        (losses([0.7, 0.69, 0.698]), ""),
        (losses([0.7, 0.5, 0.3], [0.6, 0.7, 0.8]), ""),
        (losses([0.7, 0.7, 0.699]), "was flat"),
        (losses([0.7, 3.0, 9.0]), "training diverged"),
        (losses([0.7, 0.7, 0.7], [0.7, 2.0, 4.0]), "training diverged"),
        (losses([0.7, 0.7]), ""),
        (losses([-0.5, -0.8, -0.9]), ""),
        ([], ""),
    ],
)
def test_losses_that_speak_against_a_training(history, told):
    text = " ".join(doubts_about_training(history))
    assert told in text and bool(text) == bool(told)


def test_flat_losses_of_a_student_that_has_learnt_are_no_doubt():
    gathered = Doubts("sigmoid")
    for number, mask in enumerate(MASKS):
        gathered.add_teacher(Sample(INPUTS[number]), mask)
        gathered.add_student(0, mask, mask)
    assert gathered.all([losses([0.1] * 5)]) == {}


def test_a_metric_that_gives_no_number_is_named_with_its_sample():
    gathered = Doubts("sigmoid")
    for number, value in enumerate((1.0, np.nan, 0.5, np.inf)):
        gathered.add_cases("student", "dice", f"clip{number}", np.array([[value]]))
        gathered.add_cases("teacher", "dice", f"clip{number}", None)
    assert gathered.all([]) == {"metrics": ["dice of the student is not a finite number on clip1 and 1 more"]}
