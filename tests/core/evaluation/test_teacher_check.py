"""What is told of a teacher before it is asked, and what is no reason for a doubt."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kdkit import ComponentOptions, Metric, Sample, Teacher
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation.alternatives import Agreement, doubts_beside_truth, is_clearly_better
from kdkit.evaluation.output_doubts import doubts_about, find_activation
from kdkit.evaluation.teacher_check import check_teacher, first_samples

RNG = torch.Generator().manual_seed(0)
LOGITS = torch.randn(64, 5, generator=RNG)


@pytest.mark.parametrize(
    ("values", "activation", "expected"),
    [
        (LOGITS, "softmax", ""),
        (100 * LOGITS, "softmax", ""),
        (LOGITS.log_softmax(-1), "softmax", ""),
        (LOGITS.softmax(-1), "softmax", "softmax"),
        ((30 * LOGITS).softmax(-1), "softmax", "softmax"),
        (LOGITS.softmax(-1).half().float(), "softmax", "softmax"),
        ((4 * LOGITS).sigmoid(), "softmax", "sigmoid"),
        (0.3 + 0.1 * LOGITS.sigmoid(), "softmax", ""),
        (LOGITS.relu(), "softmax", ""),
        (LOGITS.sigmoid().flatten(), "sigmoid", "sigmoid"),
        (LOGITS.sigmoid().flatten().half().float(), "sigmoid", "sigmoid"),
        (100 * LOGITS.flatten(), "sigmoid", ""),
        (LOGITS.flatten() / 100, "sigmoid", ""),
        (LOGITS.relu().flatten(), "sigmoid", ""),
        (LOGITS.sigmoid().flatten(), "identity", ""),
    ],
)
def test_probabilities_are_told_from_logits(values, activation, expected):
    assert find_activation(values, -1, activation) == expected


def doubts(logits, activation="sigmoid", inputs=None):
    inputs = list(np.random.default_rng(0).integers(0, 256, (8, 6, 6), dtype=np.uint8)) if inputs is None else inputs
    return " ".join(doubts_about(inputs, list(logits), activation))


MASKS = torch.randn(8, 6, 6, generator=RNG)


@pytest.mark.parametrize(
    ("logits", "activation", "told"),
    [
        (MASKS, "sigmoid", ""),
        (8 * MASKS, "sigmoid", ""),
        (MASKS - 20, "sigmoid", "calls everything background"),
        (MASKS + 20, "sigmoid", "calls everything foreground"),
        (MASKS.sign() * 500, "sigmoid", "is saturated"),
        (MASKS[:1] + 1e-3 * MASKS, "sigmoid", "hardly depend on the input"),
        (LOGITS[:8], "softmax", ""),
        (LOGITS[:8] + torch.tensor([50.0, 0, 0, 0, 0]), "softmax", "predicts class 0 for each of 8 samples"),
        (1000 * LOGITS[:8], "softmax", "is saturated"),
        (MASKS + 20, "identity", ""),
    ],
)
def test_suspicious_outputs_are_told(logits, activation, told):
    text = doubts(logits, activation)
    assert told in text
    assert bool(text) == bool(told)


@pytest.mark.parametrize(
    ("logits", "activation", "told"),
    [
        ([[0.3], [2.0]], "softmax", "has the length 1"),
        ([[0.2, 0.8], [0.9, 0.1]], "identity", "add up to 1"),
        ([[0.2, 0.9], [0.9, 3.1]], "identity", ""),
    ],
)
def test_an_activation_that_hardly_fits_is_told(logits, activation, told):
    doubts = list(doubts_about([np.zeros(1)] * 2, [torch.tensor(one) for one in logits], activation))
    assert told in " ".join(doubts) and bool(doubts) == bool(told)


def test_samples_that_hardly_differ_need_no_answers_that_do():
    alike = [np.full((6, 6), 100, np.uint8) + np.eye(6, dtype=np.uint8) * 100] * 8
    assert "hardly depend" not in doubts(MASKS[:1] + 1e-3 * MASKS, inputs=alike)


class Of(Teacher):
    """A teacher whose network is given."""

    class Options(ComponentOptions):
        activation: str = "none"

    function = staticmethod(lambda x: x)

    def build(self):
        function = self.function

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return function(inputs.float() / 255)

        return Network()


def teacher_of(function):
    return type("Given", (Of,), {"function": staticmethod(function)})()


def check(prepare, function):
    run = prepare("controls=[]")
    teacher = teacher_of(function)
    experiment = replace(run.experiment, teacher=teacher)
    samples = first_samples(experiment.evaluation_source, 4, prefer_labelled=True)
    return check_teacher(experiment, teacher.build().eval(), samples)


def test_a_good_teacher_raises_no_doubt(prepare):
    examination = check(prepare, lambda x: 20 * (x - 0.5))
    assert examination.doubts == []
    assert len(examination.predictions) == 4


def test_probabilities_are_refused_with_the_setting(prepare):
    with pytest.raises(KdkitError, match="gives probabilities instead of logits") as caught:
        check(prepare, lambda x: (20 * (x - 0.5)).sigmoid())
    assert "Set teacher.activation=sigmoid" in caught.value.remedy


@pytest.mark.parametrize(
    "function", [lambda x: x[..., None] - 0.5, lambda x: x[..., ::2] - 0.5, lambda x: x.mean((1, 2, 3))]
)
def test_another_shape_than_the_students_is_refused(function, prepare):
    with pytest.raises(DataError, match=r"gives,? logits \(.*\) for a sample of \(\d, 16, 16\)"):
        check(prepare, function)


def test_a_mask_of_the_background_is_told_with_both_figures(prepare):
    (doubt,) = check(prepare, lambda x: 20 * (0.5 - x)).doubts
    assert doubt.startswith("on 4 samples overlap is 0.0")
    assert "but 1.00 with foreground and background exchanged" in doubt


def test_a_refusal_of_the_domain_comes_with_its_reason(prepare, monkeypatch):
    domain = type(prepare("controls=[]").experiment.domain)

    def refuse(self, samples, predictions):
        raise KdkitError("the teacher is wrong", "Look at it.")

    monkeypatch.setattr(domain, "check_teacher", refuse)
    with pytest.raises(KdkitError, match="the teacher is wrong") as caught:
        check(prepare, lambda x: 20 * (0.5 - x))
    assert "Look at it." in caught.value.remedy
    assert "but 1.00 with foreground and background exchanged" in caught.value.remedy


class Accuracy(Metric):
    """Share of samples whose most probable class is the labelled one."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        return [(float(prediction.argmax() == sample.truth["label"]),)] if sample.truth else []


LABELS = [0, 1, 2, 3, 4, 0, 1, 3]


def told_of(order, labels=LABELS, teacher=None):
    """The doubts about a classifier that gives class c as order[c]."""
    samples = [Sample(np.zeros((2, 2), np.uint8), {"label": np.array(label)}) for label in labels]
    predictions = [np.eye(5, dtype=np.float32)[order[label]] for label in labels]
    given = teacher or teacher_of(lambda x: x)
    return list(doubts_beside_truth(given, "softmax", {"accuracy": Accuracy()}, samples, predictions, None))


def no_alternatives(**methods):
    return type("Given", (Of,), methods)()


def test_the_order_of_classes_is_told():
    assert told_of([0, 1, 2, 3, 4]) == []
    assert "but 1.00 with the classes in reversed order" in told_of([4, 3, 2, 1, 0])[0]
    assert "but 1.00 with the classes moved by -1" in told_of([1, 2, 3, 4, 0])[0]
    assert told_of([1, 1, 1, 1, 1]) == []


def test_a_promise_that_is_not_kept_is_told():
    teacher = no_alternatives(promise=lambda self, metric: 0.9 if metric == "accuracy" else None)
    assert told_of([0, 1, 2, 3, 4], teacher=teacher) == []
    assert "accuracy is 0.25; the card of its weights promises 0.90" in told_of([0, 0, 0, 0, 0], teacher=teacher)[0]


@pytest.mark.parametrize(
    ("other", "own", "expected"),
    [
        ([0.9] * 8, [0.5] * 8, True),
        ([0.7] * 8, [0.5] * 8, False),
        ([0.9] * 8, [0.82] * 8, False),
        ([1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1], False),
        ([1, 1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0, 1], True),
        ([1, 1], [0, 0], True),
        ([1, float("nan"), 1, 1], [0, 0, 0, 0], True),
    ],
)
def test_only_what_is_clearly_better_counts(other, own, expected):
    def agreement(each):
        return Agreement("dice", float(np.nanmean(each)), list(each))

    assert is_clearly_better(agreement(other), agreement(own)) is expected
