"""Sounds: their type, their truth, and that each kind is what its name says."""

import numpy as np
import pytest
from kdkit_generators import waves
from kdkit_generators.sounds import Sounds

RATE = 16000


def make(count=20, **options):
    return list(Sounds(Sounds.Options(**options), seed=1).generate(range(count)))


def test_it_is_louder_where_truth_says_that_something_sounds():
    samples = make(length=16000)
    inside = np.concatenate([s.inputs[s.truth["sounding"] == 1] for s in samples]).astype(float)
    outside = np.concatenate([s.inputs[s.truth["sounding"] == 0] for s in samples]).astype(float)
    assert inside.std() > 5 * outside.std()
    assert {s.inputs.dtype for s in samples} == {np.dtype(np.int16)}


def test_floats_are_the_same_sounds_between_minus_one_and_one():
    whole, floats = make(3), make(3, dtype="float32")
    for a, b in zip(whole, floats, strict=True):
        assert np.abs(b.inputs).max() <= 1
        assert np.array_equal(a.inputs, (b.inputs * 32767).round().astype(np.int16))


def test_no_events_leave_the_background():
    assert max(sample.truth["sounding"].max() for sample in make(4, events=(0, 0), seconds=(0.1, 0.2))) == 0


def peaks(wave, least=0.3):
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return np.flatnonzero(spectrum > least * spectrum.max()) * RATE / len(wave)


def test_a_tone_has_its_lines_at_multiples_of_the_lowest():
    for seed in range(5):
        wave = waves.tone(np.random.default_rng(seed), RATE, RATE)
        found = peaks(wave)
        base = found.min()
        off = np.abs(found / base - np.round(found / base)) * base
        assert off.max() <= 3 * np.round(found / base).max()


def test_a_chirp_ends_at_another_frequency_than_it_began():
    moved = []
    for seed in range(10):
        wave = waves.chirp(np.random.default_rng(seed), RATE, RATE)
        first, last = (np.median(peaks(part, 0.8)) for part in (wave[:1600], wave[-1600:]))
        moved.append(abs(np.log2(last / first)))
    assert np.median(moved) > 0.5


def test_a_voice_has_the_pitch_of_one_and_most_power_where_vowels_have_it():
    for seed in range(5):
        wave = waves.formants(np.random.default_rng(seed), RATE, RATE)
        power = np.abs(np.fft.rfft(wave)) ** 2
        hertz = np.arange(len(power)) * RATE / len(wave)
        assert power[(hertz > 60) & (hertz < 3600)].sum() > 0.9 * power.sum()
        autocorrelation = np.fft.irfft(np.abs(np.fft.rfft(wave[:3200], 8192)) ** 2)
        lags = np.arange(RATE // 360, RATE // 60)
        assert autocorrelation[lags].max() > 0.25 * autocorrelation[0]


@pytest.mark.parametrize("kind", waves.DRAW)
@pytest.mark.parametrize("count", [8, 80, 801])
def test_every_kind_makes_finite_waves_of_any_length_and_rate(kind, count):
    for rate in (2000, 48000):
        wave = waves.DRAW[kind](np.random.default_rng(0), count, rate)
        assert wave.shape == (count,)
        assert np.isfinite(wave).all()
