"""The phantom generator."""

import hashlib
import subprocess
import sys

import numpy as np
from kdkit_echocardio import phantom
from kdkit_echocardio.generator import Phantom

OPTIONS = Phantom.Options(frames=12, size=64)


def digest(samples):
    parts = [part for s in samples for part in (s.inputs, *(s.truth[name] for name in sorted(s.truth)))]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_sample_carries_its_truth():
    sample = next(Phantom(OPTIONS, seed=3).generate([7]))
    assert (sample.inputs.dtype, sample.inputs.shape) == (np.uint8, (12, 64, 64))
    truth = sample.truth
    assert (truth["mask"].dtype, truth["mask"].shape) == (np.uint8, (12, 64, 64))
    assert set(np.unique(truth["mask"])) == {0, 1}
    assert truth["mask_frames"].tolist() == list(range(12))
    assert truth["mask_frames"].dtype == truth["ed"].dtype == truth["es"].dtype == np.int64
    assert truth["ejection_fraction"].shape == ()
    assert 0 < float(truth["ejection_fraction"]) < 100
    assert sample.info["name"] == "phantom-00007"
    assert sample.info["fps"] > 0
    assert sample.info["spacing_mm"] > 0


def test_a_sample_depends_on_seed_and_index_alone():
    forward = list(Phantom(OPTIONS, seed=1).generate([0, 1, 2]))
    backward = list(Phantom(OPTIONS, seed=1).generate([2, 1, 0]))[::-1]
    alone = [next(Phantom(OPTIONS, seed=1).generate([i])) for i in range(3)]
    assert digest(forward) == digest(backward) == digest(alone)
    assert digest(forward[:1]) != digest(forward[1:2])
    assert digest(forward) != digest(Phantom(OPTIONS, seed=2).generate([0, 1, 2]))


def test_another_process_makes_the_same_bytes():
    # Each process hashes strings with its own salt, and OpenCV with one thread must not give other pictures.
    script = (
        "import cv2; cv2.setNumThreads(1)\n"
        "from test_generator import OPTIONS, Phantom, digest\n"
        "print(digest(Phantom(OPTIONS, seed=5).generate([1, 0])))"
    )
    path = str(sys.path)
    output = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rpartition("/")[0],
    ).stdout.strip()
    assert output == digest(Phantom(OPTIONS, seed=5).generate([1, 0]))


def test_version_is_the_simulators():
    assert Phantom.version == phantom.VERSION


def test_fingerprint_follows_options_and_seed():
    prints = {
        Phantom(options, seed).fingerprint()
        for options in (OPTIONS, Phantom.Options(frames=13, size=64), Phantom.Options(frames=12, size=65))
        for seed in (0, 1)
    }
    assert len(prints) == 6
