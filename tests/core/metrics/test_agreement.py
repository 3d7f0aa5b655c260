"""Agreement with the teacher against torchmetrics, SciPy and scikit-learn, and by hand where they have nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as reference
from own_agreement import OwnAgreement
from scipy.special import rel_entr
from sklearn.metrics import r2_score

from kdkit import Sample
from kdkit.contracts.bootstrap import AdditiveSummary, bootstrap_interval, join_cases
from kdkit.metrics import agreement
from kdkit.plugins.registry import discover
from kdkit.testing import MetricContract

CLASSES = 4


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return (exponentials / exponentials.sum(-1, keepdims=True)).astype(np.float32)


def drawn(kind, shape=(6,), samples=5):
    """(prediction, teacher) of samples that agree more often than not."""
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(samples):
        logits = 2 * rng.normal(size=(*shape, CLASSES) if kind == "classes" else shape)
        noisy = logits + rng.normal(size=logits.shape)
        if kind == "classes":
            pairs.append((softmax(noisy), softmax(logits)))
        elif kind == "binary":
            pairs.append(tuple((1 / (1 + np.exp(-z))).astype(np.float32) for z in (noisy, logits)))
        else:
            pairs.append((noisy.astype(np.float32), logits.astype(np.float32)))
    return pairs


def measured(metric, pairs):
    for prediction, teacher in pairs:
        metric.update(prediction, Sample(np.zeros(1), {"teacher": teacher}))
    return metric.compute()


def joined(pairs, classes):
    predictions, teachers = (
        np.concatenate([p[i].reshape(-1, *((CLASSES,) * classes)) for p in pairs]) for i in (0, 1)
    )
    return torch.from_numpy(predictions), torch.from_numpy(teachers)


@pytest.mark.parametrize("shape", [(), (6,), (3, 5)], ids=["class", "sequence", "mask"])
@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (agreement.Accuracy, lambda p, t: reference.multiclass_accuracy(p, t.argmax(1), CLASSES, average="micro")),
        (agreement.Kappa, lambda p, t: reference.multiclass_cohen_kappa(p, t.argmax(1), CLASSES)),
        (agreement.F1, lambda p, t: reference.multiclass_f1_score(p, t.argmax(1), CLASSES, average="macro")),
        (agreement.Calibration, lambda p, t: reference.multiclass_calibration_error(p, t.argmax(1), CLASSES, 15)),
        (agreement.Divergence, lambda p, t: rel_entr(t.numpy(), p.numpy()).sum(1).mean()),
    ],
)  # fmt: skip
def test_classes_of_any_shape(metric, expected, shape):
    pairs = drawn("classes", shape, samples=40)
    assert measured(metric(), pairs).value == pytest.approx(float(expected(*joined(pairs, True))), abs=1e-5)


def test_area_under_the_curve():
    pairs = drawn("classes", (30,))
    predictions, teachers = joined(pairs, True)
    expected = reference.multiclass_auroc(predictions, teachers.argmax(1), CLASSES, average="macro")
    assert measured(agreement.AreaUnderCurve(), pairs).value == pytest.approx(float(expected), abs=0.005)
    pairs = drawn("binary", (60,))
    predictions, teachers = joined(pairs, False)
    expected = reference.binary_auroc(predictions, (teachers >= 0.5).int())
    assert measured(agreement.AreaUnderCurve(), pairs).value == pytest.approx(float(expected), abs=0.005)


@pytest.mark.parametrize("k", [1, 2, CLASSES, 9])
def test_the_most_probable_classes(k):
    pairs = drawn("classes", (30,))
    predictions, teachers = joined(pairs, True)
    expected = reference.multiclass_accuracy(
        predictions, teachers.argmax(1), CLASSES, top_k=min(k, CLASSES), average="micro"
    )
    score = measured(agreement.TopK(agreement.TopK.Options(k=k)), pairs)
    assert score.value == pytest.approx(float(expected))


def test_masks_of_two_kinds_of_pixels():
    pairs = drawn("binary", (8, 8))
    predictions, teachers = joined(pairs, False)
    decided = (teachers >= 0.5).int()
    p, q = teachers.numpy(), predictions.numpy()
    expected = {
        agreement.Accuracy: reference.binary_accuracy(predictions, decided),
        agreement.F1: reference.binary_f1_score(predictions, decided),
        agreement.Kappa: reference.binary_cohen_kappa(predictions, decided),
        agreement.Divergence: rel_entr(p, q).mean() + rel_entr(1 - p, 1 - q).mean(),
    }
    for metric, value in expected.items():
        assert measured(metric(), pairs).value == pytest.approx(float(value), abs=1e-5), metric


def test_numbers():
    pairs = drawn("numbers", (7, 2))
    predictions, teachers = (values.numpy() for values in joined(pairs, False))
    root = np.sqrt(((predictions - teachers) ** 2).mean())
    assert measured(agreement.RootMeanSquareError(), pairs).value == pytest.approx(root, rel=1e-5)
    assert measured(agreement.Determination(), pairs).value == pytest.approx(
        r2_score(teachers, predictions), abs=1e-5
    )


def test_what_a_metric_is_not_for_is_not_measured():
    numbers = drawn("numbers")
    assert measured(agreement.Accuracy(), numbers).n == 0
    assert measured(agreement.TopK(), drawn("binary")).n == 0
    forced = agreement.Accuracy(agreement.Accuracy.Options(kind="binary"))
    assert measured(forced, numbers).n == len(numbers)
    other_shape = [(np.zeros(3, np.float32), np.zeros(4, np.float32))]
    assert measured(agreement.Accuracy(), other_shape).n == 0


@pytest.mark.parametrize(
    ("teacher", "kind"),
    [
        ([0.1, 0.9], "classes"),
        ([[0.2, 0.8], [0.5, 0.5]], "classes"),
        ([0.1, 0.3], "binary"),
        ([0.7], "binary"),
        (0.7, "binary"),
        ([-0.1, 0.5], "numbers"),
        ([3.0], "numbers"),
    ],
)
def test_kinds_are_told_apart_by_the_teachers_values(teacher, kind):
    assert agreement.kind_of(np.array(teacher, np.float32)) == kind


def test_one_class_alone():
    always = [(np.array([0.1, 0.9], np.float32), np.array([0.2, 0.8], np.float32))] * 3
    assert measured(agreement.Kappa(), always).value == 1
    assert measured(agreement.AreaUnderCurve(), always).value is None


def test_sums_give_the_interval_of_the_cases():
    rng = np.random.default_rng(0)
    cases = [np.stack([values, np.ones(3)], 1) for values in rng.random((40, 3))]

    def ratio(rows):
        return float(rows[:, 0].sum() / rows[:, 1].sum())

    models = [join_cases(cases, list(np.arange(40) // 2))]
    assert bootstrap_interval(models, AdditiveSummary(ratio)) == pytest.approx(bootstrap_interval(models, ratio))


NAMES = [name for name in discover({}).names("metric") if name.startswith("teacher-")]


def test_all_are_registered():
    assert len(NAMES) == 9


# Each metric's contract, as if written out one class after the other.
for _name in NAMES:
    _class = discover({}).component("metric", _name)
    globals()[f"Test{_class.__name__}"] = type(f"Test{_class.__name__}", (MetricContract,), {"component": _class})


class TestOwnAgreement(MetricContract):
    """The suite makes up the teacher's predictions, in the shape that the metric takes."""

    component = OwnAgreement
