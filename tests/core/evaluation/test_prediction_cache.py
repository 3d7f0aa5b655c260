"""Kept predictions: exact, found again by content alone, made again when damaged, and bounded."""

import os
from dataclasses import replace

import numpy as np
import pytest

from kdkit import KdkitError, Sample
from kdkit.evaluation.prediction_cache import PredictionCache

SAMPLE = Sample(np.arange(12, dtype=np.uint8).reshape(3, 4), info={"name": "a", "fps": 50.0})


@pytest.fixture
def cache(tmp_path):
    return PredictionCache(tmp_path, {"teacher": "t1", "student": "s1"}, "sigmoid")


def predictions(value=0.3):
    return {"teacher": np.full((3, 4), value, np.float32), "student": np.float32([[0, 1, 51 / 255, 0.5]] * 3)}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "identity"])
def test_predictions_come_back_as_they_were(tmp_path, activation):
    cache = PredictionCache(tmp_path, {"model": "m"}, activation)
    odd = np.random.default_rng(0).normal(0, 3, (5, 2)).astype(np.float32)
    for values in (odd, np.float32([[0, 1], [51 / 255, 204 / 255]])):
        cache.write(SAMPLE, {"model": values})
        read = cache.read(SAMPLE)
        assert read["model"].dtype == np.float32
        np.testing.assert_array_equal(read["model"], values)


def test_another_recording_or_model_has_no_prediction_yet(cache, tmp_path):
    cache.write(SAMPLE, predictions())
    assert cache.read(Sample(SAMPLE.inputs.copy(), {"mask": np.ones(3)}, dict(SAMPLE.info))) is not None
    changed = SAMPLE.inputs.copy()
    changed[2, 3] += 1
    others = [
        replace(SAMPLE, inputs=changed),
        replace(SAMPLE, inputs=SAMPLE.inputs.reshape(4, 3)),
        replace(SAMPLE, inputs=SAMPLE.inputs.astype(np.int8)),
        replace(SAMPLE, info={"name": "a", "fps": None}),  # a domain may go by it
    ]
    assert [cache.read(other) for other in others] == [None] * len(others)
    retrained = PredictionCache(tmp_path, {"teacher": "t1", "student": "s2"}, "sigmoid")
    assert retrained.read(SAMPLE) is None and retrained.is_empty() and not cache.is_empty()


def test_no_damage_is_read_as_a_prediction(cache, tmp_path):
    """Every bit of a file flipped in turn, and every length that it could be cut to."""
    cache.write(SAMPLE, predictions())
    (file,) = (tmp_path / "s1").glob("*.npz")
    whole, expected = file.read_bytes(), predictions()["student"]
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    refused = 0
    for content in damaged:
        file.write_bytes(content)
        read = cache.read(SAMPLE)
        refused += read is None
        assert read is None or np.array_equal(read["student"], expected)
    assert refused > 0.8 * len(damaged)  # the rest are dates and the like
    cache.write(SAMPLE, predictions())
    assert file.read_bytes() == whole


def test_what_was_not_used_for_longest_goes_first(cache, tmp_path, monkeypatch):
    samples = [replace(SAMPLE, info={"name": name}) for name in "abcd"]
    for age, sample in enumerate(samples):
        cache.write(sample, predictions())
        for file in tmp_path.glob("*/*.npz"):
            if file.stat().st_mtime > 2e6:  # written just now
                os.utime(file, (1e6 + age, 1e6 + age))
    cache.read(samples[0])
    sizes = sum(file.stat().st_size for file in tmp_path.glob("*/*.npz"))
    cache.trim()
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*.npz")) == sizes
    monkeypatch.setenv("KDKIT_KEPT_PREDICTIONS", str(sizes // 2))
    bounded = PredictionCache(tmp_path, cache.models, "sigmoid")
    bounded.trim()
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*.npz")) <= sizes // 2
    assert [bounded.read(sample) is not None for sample in samples] == [True, False, False, True]


def test_a_limit_that_is_no_size_is_refused_before_anything_is_predicted(tmp_path, monkeypatch):
    monkeypatch.setenv("KDKIT_KEPT_PREDICTIONS", "plenty")
    with pytest.raises(KdkitError, match="KDKIT_KEPT_PREDICTIONS=plenty is no size"):
        PredictionCache(tmp_path, {}, "sigmoid")
