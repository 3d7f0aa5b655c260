"""Folders of diffusion models: what is read from them, and what is refused with the file and the reason."""

import json
import os
import shutil
import sys

import pytest
import torch
import yaml
from kdkit_echocardio.diffusion.layout import CONFIG, WEIGHTS, load, parts, settings_of
from tiny import SCHEDULER

from kdkit import DataError, KdkitError, WeightsError


@pytest.fixture
def folder(small, tmp_path):
    return shutil.copytree(small, tmp_path / "model")


def refused(folder, kind=WeightsError, **options):
    with pytest.raises(kind) as caught:
        load(folder, **options)
    return str(caught.value)


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_published_layout_is_derived_from_its_configurations(published):
    model = load(published)
    assert (model.channels, model.side, model.factor, model.window) == (4, 14, 8, 4)
    assert model.scaling == pytest.approx(0.18215)
    assert (model.settings.steps, model.settings.fps, model.settings.ejection_fraction) == (64, 32.0, (10.0, 90.0))
    for scheduler in (model.image_scheduler, model.clip_scheduler):
        assert {key: scheduler.config[key] for key in SCHEDULER if key != "_class_name"} == {
            key: value for key, value in SCHEDULER.items() if key != "_class_name"
        }
    assert not any(network.training for network in (model.vae, model.images, model.clips))


def test_loading_draws_nothing_from_the_caller_s_random_numbers(small):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    load(small)
    assert torch.equal(before, torch.random.get_rng_state())


def test_which_network_of_images(published, small, tmp_path):
    assert parts(published).images.name == "lidm_dynamic"
    assert parts(published, "lidm_ped_a4c").images.name == "lidm_ped_a4c"
    assert parts(small).images.name == "lidm_example"
    with pytest.raises(WeightsError, match=r"has no lidm_psax\s+Set image_model.*lidm_dynamic, lidm_ped_a4c"):
        parts(published, "lidm_psax")
    with pytest.raises(WeightsError, match=r"has no lidm_\* folder"):
        parts(tmp_path)


@pytest.mark.parametrize("part", ["vae", "lidm_example", "lvdm"])
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, part, name):
    (folder / part / name).unlink()
    told = refused(folder)
    assert f"{folder / part / name} is missing" in told
    assert "safetensors only" in told


@pytest.mark.parametrize(
    ("part", "expected"),
    [("vae", "AutoencoderKL"), ("lidm_example", "UNet2DModel"), ("lvdm", "UNetSpatioTemporalConditionModel")],
)
def test_a_network_of_another_class_is_refused(folder, part, expected):
    change(folder / part / CONFIG, _class_name="UNet2DConditionModel")
    told = refused(folder)
    assert f"{folder / part / CONFIG} is of the class UNet2DConditionModel; expected {expected}" in told


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_damaged_configuration_is_refused(folder, content):
    (folder / "lvdm" / CONFIG).write_text(content)
    assert str(folder / "lvdm" / CONFIG) in refused(folder)


def test_a_configuration_of_an_impossible_network_is_refused(folder):
    change(folder / "lidm_example" / CONFIG, down_block_types=["NoBlock", "DownBlock2D"])
    assert "describes no network that can be made" in refused(folder)


def test_networks_that_do_not_fit_each_other_are_refused(small, folder, tmp_path):
    from kdkit_echocardio.diffusion.example import write_example

    other = write_example(tmp_path / "other", latent_channels=3)
    for part, taken in (("lidm_example", "3 and 3"), ("lvdm", "6 and 3")):
        mixed = shutil.copytree(other, tmp_path / f"mixed-{part}")
        shutil.rmtree(mixed / part)
        shutil.copytree(small / part, mixed / part)
        told = refused(mixed)
        assert str(mixed / part / CONFIG) in told
        assert f"expected {taken}" in told


def test_one_token_of_one_number_is_the_condition(folder):
    from diffusers import UNetSpatioTemporalConditionModel

    config = json.loads((folder / "lvdm" / CONFIG).read_text()) | {"cross_attention_dim": 8}
    UNetSpatioTemporalConditionModel.from_config(config).save_pretrained(folder / "lvdm")
    assert "cross_attention_dim is 8; expected 1" in refused(folder)


def test_weights_of_another_network_or_cut_off_are_refused(folder):
    path = folder / "lvdm" / WEIGHTS
    whole = path.read_bytes()
    shutil.copy(folder / "vae" / WEIGHTS, path)
    told = refused(folder)
    assert f"{path} holds the weights of another architecture" in told
    assert "missing: " in told
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{path} is not a whole safetensors file" in refused(folder)


def test_a_pickle_is_never_read(folder, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    path = folder / "vae" / WEIGHTS
    torch.save(Attack(), path)
    assert "could execute code" in refused(folder)
    assert not (tmp_path / "executed").exists()
    path.rename(path.with_name("diffusion_pytorch_model.bin"))
    assert f"{path} is missing" in refused(folder)
    assert not (tmp_path / "executed").exists()


def test_the_nearest_config_names_the_scheduler(folder):
    (folder / "config.yaml").write_text(
        yaml.safe_dump(
            {
                "globals": {"target_fps": 32},
                "noise_scheduler": SCHEDULER | {"beta_end": 0.03},
                "sampling": {"steps": 9, "fps": 25, "ejection_fraction": [20, 70]},
            }
        )
    )
    told = {"noise_scheduler": SCHEDULER | {"_class_name": "DDIMScheduler", "prediction_type": "epsilon"}}
    told["noise_scheduler"].pop("variance_type")
    (folder / "lvdm" / "config.yaml").write_text(yaml.safe_dump(told))
    model = load(folder)
    assert model.image_scheduler.config["beta_end"] == 0.03
    assert type(model.clip_scheduler).__name__ == "DDIMScheduler"
    assert model.clip_scheduler.config["prediction_type"] == "epsilon"
    assert (model.settings.steps, model.settings.fps, model.settings.ejection_fraction) == (9, 25.0, (20.0, 70.0))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("- 1", "holds no mapping"),
        ("{", "is no YAML"),
        ("noise_scheduler: {_class_name: EulerDiscreteScheduler}", "Known are DDPMScheduler"),
        ("noise_scheduler: DDPMScheduler", "_class_name is None"),
        ("noise_scheduler: {_class_name: DDPMScheduler, beta: 3}", "beta"),
        ("noise_scheduler: {_class_name: DDPMScheduler, beta_schedule: steep}", "steep"),
        ("sampling: {step: 3}", "sampling.step"),
        ("sampling: {ejection_fraction: [80, 20]}", "not a range within 0..100"),
        ("sampling: {side: 15}", "not a multiple of 2"),
        ("!!python/object/apply:os.getcwd []", "is no YAML"),
    ],
)
def test_a_config_that_cannot_be_understood_is_told(folder, told, expected):
    (folder / "config.yaml").write_text(told)
    message = refused(folder, DataError)
    assert str(folder / "config.yaml") in message
    assert expected in message


@pytest.mark.parametrize(
    ("images", "pictures", "side"),
    # As in the example, padded from 6, from a default that nobody set, told by the autoencoder alone.
    [(8, 16, 8), (8, 14, 7), (8, 512, 8), (None, 12, 6)],
)
def test_the_side_of_a_latent(folder, images, pictures, side):
    change(folder / "lidm_example" / CONFIG, sample_size=images)
    change(folder / "vae" / CONFIG, sample_size=pictures)
    assert load(folder).side == side
    (folder / "config.yaml").write_text("sampling: {side: 24}")
    assert load(folder).side == 12


def test_without_the_library_the_line_that_installs_it_is_told(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(KdkitError, match=r"(?s)needs diffusers.*pip install 'kdkit-echocardio\[diffusion\]'"):
        load(small)


def test_settings_are_read_without_torch(small):
    assert settings_of(small).steps == 64
