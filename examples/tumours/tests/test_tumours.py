"""The contracts, and what is particular to tumours: the bounds, the halves, the teacher, and what files are read."""

import numpy as np
import pytest
from kdkit_tumours.domain import Tumours
from kdkit_tumours.metrics import AUC, Accuracy
from kdkit_tumours.ranges import Ranges
from kdkit_tumours.real import HeldOut
from kdkit_tumours.student import TumoursMLP
from kdkit_tumours.table import bounds, held_out_half, training_half
from kdkit_tumours.teacher import probabilities
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from kdkit import DataError, KdkitError, Sample
from kdkit.testing import DomainContract, GeneratorContract, MetricContract, StudentContract

CASES = [
    (np.array([1 - p, p], np.float32), Sample(np.zeros(30, np.float32), {"label": np.array(label)}))
    for p, label in ((0.1, 0), (0.6, 0), (0.4, 1), (0.9, 1))
]


class TestRanges(GeneratorContract):
    component = Ranges


class TestHeldOut(GeneratorContract):
    component = HeldOut


class TestTumoursMLP(StudentContract):
    component = TumoursMLP
    generator = Ranges()
    output_shape = (2,)


class TestAccuracy(MetricContract):
    component = Accuracy
    cases = CASES


class TestAUC(MetricContract):
    component = AUC
    cases = CASES


class TestTumours(DomainContract):
    component = Tumours


def test_the_bounds_are_those_of_the_columns_as_far_as_they_are_stated():
    dataset = load_breast_cancer()
    names, low, high, scale = zip(*bounds(), strict=True)
    assert names == tuple(dataset.feature_names)
    assert np.abs(dataset.data.min(0) - low).max() < 0.06
    assert np.abs(dataset.data.max(0) - high).max() < 0.06
    assert all((kind == "log") == (lowest > 0) for lowest, kind in zip(low, scale, strict=True))


def test_rows_lie_within_their_bounds():
    rows = np.stack([sample.inputs for sample in Ranges().generate(range(300))])
    _, low, high, _ = zip(*bounds(), strict=True)
    assert (rows >= np.array(low) * 0.9999).all()
    assert (rows <= np.array(high) * 1.0001).all()


def test_the_halves_share_no_row():
    halves = training_half()[0], held_out_half()[0]
    assert [half.shape for half in halves] == [(285, 30), (284, 30)]
    assert not {row.tobytes() for row in halves[0]} & {row.tobytes() for row in halves[1]}


def test_the_teacher_knows_rows_that_it_was_not_trained_on():
    import torch

    rows, labels = held_out_half()
    answers = probabilities(torch.from_numpy(rows))
    assert answers.shape == (284, 2)
    assert torch.allclose(answers.sum(1), torch.ones(284))
    assert np.mean(answers.argmax(1).numpy() == labels) > 0.93


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 9, 80) / 10, rng.integers(0, 2, 80)
    assert AUC().summarize(np.stack([scores, labels], 1)) == pytest.approx(roc_auc_score(labels, scores))
    assert np.isnan(AUC().summarize(np.array([[0.1, 1.0], [0.2, 1.0]])))


def test_a_row_is_read_whatever_the_order_of_its_columns(tmp_path):
    dataset = load_breast_cancer()
    names, row = dataset.feature_names[::-1], dataset.data[7][::-1]
    (tmp_path / "patient.csv").write_text(",".join(names) + "\n" + ",".join(map(str, row)) + "\n")
    assert np.array_equal(Tumours().read(tmp_path / "patient.csv").inputs, dataset.data[7].astype(np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a header and one row"),
        ("mean radius\n12\n", "has no column mean texture"),
        ("a\n1\n2\n", "is not a header and one row"),
        (b"\xff\xfe\x00", "is not a header and one row"),
    ],
)
def test_what_is_no_row_is_refused(tmp_path, text, message):
    (tmp_path / "odd.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        Tumours().read(tmp_path / "odd.csv")


def test_a_teacher_whose_classes_are_swapped_is_refused():
    samples = list(HeldOut().generate(range(8)))
    swapped = [np.roll(np.eye(2)[int(sample.truth["label"])], 1) for sample in samples]
    with pytest.raises(KdkitError, match="knows 0 of 8 real rows"):
        Tumours().check_teacher(samples, swapped)
