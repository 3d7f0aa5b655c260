"""The generator of diffusion clips: its contract, its determinism, and what goes wrong."""

import pickle

import numpy as np
import pytest
import torch
from kdkit_echocardio.diffused import EchoDiffusion
from kdkit_echocardio.diffusion.conditions import EjectionFractions
from pydantic import ValidationError

from kdkit import DataError
from kdkit.testing import GeneratorContract

pytestmark = [
    pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


class TestEchoDiffusion(GeneratorContract):
    component = EchoDiffusion
    sample_count = 3

    def setup_method(self):
        pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")

    @pytest.fixture(autouse=True)
    def _given(self, small):
        type(self).options = {"path": small, "frames": 5, "steps": 2, "batch_size": 1, "device": "cpu"}


def made(path, indices=(0,), seed=0, **options):
    given = {"path": path, "frames": 3, "steps": 2, "batch_size": 1, "device": "cpu"} | options
    return list(EchoDiffusion(EchoDiffusion.Options(**given), seed).generate(indices))


def test_a_clip_of_the_published_layout(published):
    (sample,) = made(published, frames=6, steps=1)
    assert (sample.inputs.shape, sample.inputs.dtype) == ((6, 112, 112), np.uint8)
    assert 10 <= float(sample.truth["ejection_fraction"]) <= 90
    assert sample.info == {"name": "echo-diffusion-00000", "fps": 32.0}


def test_the_example_to_try_it_with_works(tmp_path):
    pytest.importorskip("diffusers")
    options = EchoDiffusion.Options(**EchoDiffusion.example_options(tmp_path))
    (sample,) = EchoDiffusion(options).generate([0])
    assert sample.inputs.shape == (5, 16, 16)


def test_models_of_other_channels_work_as_well(tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.example import write_example

    (sample,) = made(write_example(tmp_path / "grey", latent_channels=3, image_channels=1))
    assert sample.inputs.shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("{sampler: ddim, steps: 3, image_steps: 2}", {"sampler": "ddim", "steps": 3, "image_steps": 2}),
        ("{steps: 3}", {"sampler": "dpm-solver++", "steps": 3, "image_steps": 3}),
    ],
)
def test_how_it_is_sampled_is_what_the_model_says(tmp_path, told, meant):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.example import write_example

    silent, saying = write_example(tmp_path / "silent"), write_example(tmp_path / "saying")
    (saying / "config.yaml").write_text(f"sampling: {told}")
    (asked,), (said,) = made(silent, **meant), made(saying, steps=None)
    assert np.array_equal(asked.inputs, said.inputs)
    (other,) = made(saying, **(meant | {"steps": None, "image_steps": 1}))
    assert not np.array_equal(other.inputs, said.inputs)


def test_steps_in_the_recipe_are_those_of_the_image_too(tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.example import write_example

    saying = write_example(tmp_path / "saying")
    (saying / "config.yaml").write_text("sampling: {steps: 1, image_steps: 4}")
    (steps,), (both,) = made(saying, steps=2), made(saying, steps=2, image_steps=2)
    assert np.array_equal(steps.inputs, both.inputs)


def test_guidance_is_the_models_where_a_clip_can_show_a_beat(tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.example import write_example

    saying = write_example(tmp_path / "saying")
    (saying / "config.yaml").write_text("sampling: {fps: 10, guidance: 3}")
    for frames, meant in ((3, 3.0), (2, 1.0)):
        (own,), (asked,), (other,) = (
            made(saying, frames=frames, guidance=guidance) for guidance in (None, meant, 4.0 - meant)
        )
        assert np.array_equal(own.inputs, asked.inputs) and not np.array_equal(own.inputs, other.inputs)


def test_clips_too_short_for_a_beat_are_made_as_the_model_says_of_them(tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.example import write_example

    saying = write_example(tmp_path / "saying")
    short = "{sampler: ddim, steps: 2, image_steps: 3}"
    (saying / "config.yaml").write_text(f"sampling: {{fps: 10, sampler: ddpm, steps: 4, short_clips: {short}}}")
    for frames, meant in (
        (3, {"sampler": "ddpm", "steps": 4, "image_steps": 4}),
        (2, {"sampler": "ddim", "steps": 2, "image_steps": 3}),
    ):
        (own,), (asked,) = made(saying, frames=frames, steps=None), made(saying, frames=frames, **meant)
        assert np.array_equal(own.inputs, asked.inputs)


@pytest.mark.parametrize("sampler", ["dpm-solver++", "ddim", "ddpm"])
def test_a_sample_does_not_depend_on_its_batch_or_the_order(small, sampler):
    one = made(small, range(3), sampler=sampler)
    batch = made(small, range(3), sampler=sampler, batch_size=3)
    for alone, together in zip(one, batch, strict=True):
        assert np.abs(alone.inputs.astype(int) - together.inputs).max() <= 1
        assert alone.truth == together.truth
        assert alone.inputs.std() > 0
    again = made(small, (2, 0), sampler=sampler)
    assert np.array_equal(again[0].inputs, one[2].inputs)
    assert np.array_equal(again[1].inputs, one[0].inputs)
    repeated = made(small, range(3), sampler=sampler, batch_size=3)
    assert all(np.array_equal(a.inputs, b.inputs) for a, b in zip(batch, repeated, strict=True))


def test_a_clip_of_another_length_shows_another_heart(small):
    (short,), (long,) = made(small), made(small, frames=4)
    assert float(short.truth["ejection_fraction"]) != float(long.truth["ejection_fraction"])


def test_another_rate_takes_the_frames_nearest_in_time(small):
    # Of 32 frames a second, 24 take the frames 0, 1.33, 2.67 and 4: the fifth frame is the last one made.
    generator = EchoDiffusion(EchoDiffusion.Options(path=small, frames=4, fps=24, device="cpu"))
    assert generator._sampled_frame_count() == 5
    assert generator._moments(generator._load_model()).tolist() == [0, 1, 3, 4]
    (sample,) = made(small, frames=4, fps=64)
    assert sample.info["fps"] == 64.0
    assert np.array_equal(sample.inputs[1], sample.inputs[2])
    assert not np.array_equal(sample.inputs[0], sample.inputs[1])


def test_what_is_asked_changes_the_clip_and_not_its_anatomy(small):
    (low,), (high,), (guided,) = (
        made(small, ejection_fraction={"values": [20]}),
        made(small, ejection_fraction={"values": [80]}),
        made(small, ejection_fraction={"values": [80]}, guidance=3),
    )
    assert (float(low.truth["ejection_fraction"]), float(high.truth["ejection_fraction"])) == (20, 80)
    assert not np.array_equal(low.inputs, high.inputs)
    assert not np.array_equal(guided.inputs, high.inputs)


def test_half_precision_gives_nearly_the_same_clip(small):
    (full,), (half,) = made(small), made(small, precision="bfloat16")
    assert np.abs(full.inputs.astype(int) - half.inputs).mean() < 8


def test_where_and_how_many_at_once_is_no_part_of_what_it_is(small):
    def printed(**options):
        return EchoDiffusion(EchoDiffusion.Options(path=small, **options)).fingerprint()

    assert printed() == printed(device="cuda:3", batch_size=7)
    assert printed() != printed(frames=8)


def test_a_moved_model_is_the_same_and_another_is_not(small, tmp_path):
    import shutil

    moved = shutil.copytree(small, tmp_path / "moved")
    prints = [EchoDiffusion(EchoDiffusion.Options(path=path)).fingerprint() for path in (small, moved)]
    (moved / "config.yaml").write_text("sampling: {steps: 3}")
    prints.append(EchoDiffusion(EchoDiffusion.Options(path=moved)).fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_steps_and_range_of_the_model_are_taken_unless_set(small, tmp_path):
    import shutil

    folder = shutil.copytree(small, tmp_path / "model")
    (folder / "config.yaml").write_text("sampling: {steps: 1, fps: 20, ejection_fraction: [41, 43]}")
    (sample,) = made(folder, steps=None)
    assert np.array_equal(sample.inputs, made(folder, steps=1)[0].inputs)
    assert 41 <= float(sample.truth["ejection_fraction"]) <= 43
    assert sample.info["fps"] == 20.0
    (other,) = made(folder, steps=None, ejection_fraction={"high": 90, "low": 80})
    assert 80 <= float(other.truth["ejection_fraction"]) <= 90
    with pytest.raises(DataError, match=r"(?s)between 60 and 43 percent.*41 to 43"):
        made(folder, ejection_fraction={"low": 60})


def test_it_is_sent_without_its_networks(small):
    generator = EchoDiffusion(EchoDiffusion.Options(path=small, frames=3, steps=1, device="cpu"))
    (before,) = generator.generate([1])
    assert generator._model is not None
    sent = pickle.dumps(generator)
    assert len(sent) < 5000
    (after,) = pickle.loads(sent).generate([1])
    assert np.array_equal(before.inputs, after.inputs)


def test_numbers_that_are_not_finite_are_told(small, monkeypatch):
    generator = EchoDiffusion(EchoDiffusion.Options(path=small, frames=2, steps=1, device="cpu", precision="float16"))
    with torch.no_grad():
        next(generator._load_model().clips.parameters()).fill_(float("inf"))
    with pytest.raises(DataError, match=r"(?s)not finite.*precision"):
        list(generator.generate([0]))


def test_a_device_that_is_not_there_is_told(small):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DataError, match="cannot run on cuda"):
        made(small, device="cuda")


def draws(own=(10.0, 90.0), **options):
    rng = np.random.default_rng(0)
    asked = EjectionFractions(**options)
    return np.array([asked.draw(rng, own) for _ in range(2000)])


def test_ejection_fractions_are_drawn_as_asked():
    even = draws()
    assert (even.min() >= 10, even.max() <= 90) == (True, True)
    assert even.mean() == pytest.approx(50, abs=2)
    assert even.std() == pytest.approx(80 / 12**0.5, abs=1)
    assert set(draws(values=[35, 60])) == {35.0, 60.0}
    assert (draws(low=30).min(), draws(high=40).max()) == (pytest.approx(30, abs=0.5), pytest.approx(40, abs=0.5))
    normal = draws(mean=55, deviation=8)
    assert (normal.mean(), normal.std()) == (pytest.approx(55, abs=1), pytest.approx(8, abs=0.5))
    assert draws(mean=55, deviation=30, low=50, high=60).max() == 60


@pytest.mark.parametrize(
    "options",
    [
        {"low": 60, "high": 40},
        {"mean": 50},
        {"deviation": 5},
        {"values": []},
        {"values": [101]},
        {"values": [50], "mean": 50, "deviation": 5},
        {"low": -1},
        {"median": 3},
    ],
)
def test_ejection_fractions_that_make_no_sense_are_refused(options):
    with pytest.raises(ValidationError):
        EjectionFractions(**options)
