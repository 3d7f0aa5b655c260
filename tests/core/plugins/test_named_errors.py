"""What goes wrong in a component's own code is told as one error: which component, of which plugin, and where."""

import numpy as np
import pytest

from kdkit import DataError, KdkitError, Metric, Sample
from kdkit.contracts.component import Origin
from kdkit.engine.file_prediction import open_sample
from kdkit.evaluation.metric_update import update_metric
from kdkit.plugins.calls import name_component, title_of
from kdkit.plugins.guard import describe_error


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


class Broken(Metric):
    """Fails on everything."""

    origin = Origin("broken", "kdkit-broken", "0.3")

    def measure(self, prediction, sample):
        raise ZeroDivisionError("in the metric")


def test_a_component_is_named_with_its_plugin():
    assert title_of(Broken) == title_of(Broken()) == "the metric broken (kdkit-broken 0.3)"


def test_a_metric_that_fails_is_named_with_model_sample_and_place():
    sample = Sample(np.zeros(3), info={"name": "patient 7"})
    with pytest.raises(KdkitError) as caught:
        update_metric(Broken(), "student", np.zeros(3), sample, None)
    assert caught.value.message == (
        "the metric broken (kdkit-broken 0.3) failed on the student's prediction for patient 7: "
        "ZeroDivisionError: in the metric"
    )
    assert "test_named_errors.py, line 25" in caught.value.remedy


@pytest.mark.parametrize(
    "error", [ValueError("x"), SilentError(), SystemExit(3), MemoryError(), RecursionError("deep")]
)
def test_whatever_is_raised_is_told(error):
    with (
        pytest.raises(KdkitError, match=r"the metric broken .*cannot be built: ") as caught,
        name_component(Broken, "cannot be built", "nothing is lost."),
    ):
        raise error
    assert caught.value.__cause__ is error and caught.value.remedy.endswith("; nothing is lost.")


def test_what_a_component_says_on_purpose_stays_and_an_interruption_is_one():
    with pytest.raises(DataError, match=r"^no patient"), name_component(Broken, "failed"):
        raise DataError("no patient")
    with pytest.raises(KeyboardInterrupt), name_component(Broken, "failed"):
        raise KeyboardInterrupt


def test_a_reader_that_fails_skips_its_file_with_the_reason(toy, tmp_path):
    from kdkit.plugins.registry import discover

    domain = discover({}).component("domain", "toy")()

    def read(path):
        raise IndexError("a fault of the reader")

    domain.read = read
    (tmp_path / "a.npy").touch()
    with open_sample(domain, tmp_path / "a.npy") as reason:
        pass
    assert reason.startswith(
        "it cannot be read: IndexError: a fault of the reader, in the domain toy (kdkit-toy 0.1)"
    )
    assert "test_named_errors.py" in reason


def test_an_error_without_words_has_its_type():
    assert describe_error(ValueError()) == "ValueError: no message"
    assert describe_error(SilentError()) == "SilentError: its message cannot be read"
