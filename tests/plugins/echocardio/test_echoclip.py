"""Scores by a vision-language model: a tiny random one of the same file layout stands for EchoCLIP."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from kdkit_echocardio import vision_language
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.metrics import echoclip
from kdkit_echocardio.metrics.echoclip import EchoClipPhase, EchoClipScore, phase_curve

from kdkit import DataError, KdkitError, Sample

open_clip = pytest.importorskip("open_clip", reason="the extra echoclip of kdkit-echocardio is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return vision_language.write_example(tmp_path_factory.mktemp("model"))


@pytest.fixture
def fresh():
    """No model is loaded yet."""
    vision_language._load.cache_clear()
    yield
    vision_language._load.cache_clear()


def clip() -> tuple[np.ndarray, Sample]:
    frames = np.random.default_rng(0).integers(30, 256, (3, 32, 32)).astype(np.uint8)
    prediction = np.zeros((3, 32, 32), np.float32)
    prediction[:, 10:20, 12:22] = 0.9
    return prediction, Sample(frames, {}, {"fps": 30.0})


def test_similarities_are_openclips_own(model):
    import torch
    from PIL import Image

    images = clip()[1].inputs
    network, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{model}")
    text = network.encode_text(open_clip.get_tokenizer("ViT-B-32", context_length=16)(["WALL", "NOTHING"]))
    image = network.encode_image(torch.stack([prepare(Image.fromarray(i).convert("RGB")) for i in images]))
    expected = torch.nn.functional.cosine_similarity(image[:, None], text[None], dim=-1).detach().numpy()
    found = vision_language.similarities(model, images, ["WALL", "NOTHING"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_score_by_hand_uses_both_masks(model):
    prediction, known = clip()
    inside, around = known.inputs.copy(), known.inputs.copy()
    inside[:, 10:20, 12:22] = 0
    around[:, 8:22, 10:24] = 0
    wall = vision_language.similarities(model, inside, ["WALL"])[:, 0]
    nothing, ventricle = vision_language.similarities(model, around, ["NOTHING", "LEFT VENTRICLE"]).T
    score = EchoClipScore(EchoClipScore.Options(model=model)).measure(prediction, known)
    assert score == [(pytest.approx(np.mean(wall + nothing - ventricle)),)]
    other = EchoClipScore(EchoClipScore.Options(model=model, nothing="A HEART")).measure(prediction, known)
    assert other != score


def test_the_images_that_are_asked_about(monkeypatch, model):
    prediction, known = clip()
    asked = []
    monkeypatch.setattr(
        echoclip, "similarities", lambda _, images, prompts: asked.append(images) or np.zeros((3, len(prompts)))
    )
    EchoClipScore(EchoClipScore.Options(model=model)).measure(prediction, known)
    mask = (prediction[0] > 0.5).astype(np.uint8)
    for images, black in zip(asked, (mask, cv2.dilate(mask, np.ones((5, 5), np.uint8))), strict=True):
        np.testing.assert_array_equal(images[0] == 0, black == 1)


def test_a_valve_that_closes_in_systole_gives_the_hearts_beats(monkeypatch, model):
    frames, beat = 150, 40
    systole = (np.arange(frames) - 5) % beat < 15  # ED at 5, 45, ..., ES at 20, 60, ...
    monkeypatch.setattr(
        echoclip, "similarities", lambda *_: np.stack([np.where(systole, 0.3, 0.2), np.full(frames, 0.25)], 1)
    )
    metric = EchoClipPhase(EchoClipPhase.Options(model=model))
    beats = metric.reference(Sample(np.zeros((frames, 4, 4), np.uint8), {}, {"fps": 40.0}))
    assert np.abs(beats.ed[:3] - [5, 45, 85]).max() <= 1
    assert np.abs(beats.es[:3] - [20, 60, 100]).max() <= 1


def test_a_valve_that_never_moves_shows_no_beat():
    assert len(find_beats(phase_curve(np.full(100, 0.1)), 40.0).es) == 0


def test_without_the_extra_the_install_line_is_told(model, fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(KdkitError, match="open_clip") as told:
        EchoClipScore(EchoClipScore.Options(model=model)).measure(*clip())
    assert "pip install 'kdkit-echocardio[echoclip]'" in str(told.value)


def damage(folder: Path, what: str) -> None:
    config = folder / "open_clip_config.json"
    if what == "no config":
        config.unlink()
    elif what == "no weights":
        (folder / "open_clip_model.safetensors").unlink()
    elif what == "cut weights":
        weights = folder / "open_clip_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        told = json.loads(config.read_text())
        told["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "someone/something"
        config.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no config", "no configuration of OpenCLIP"),
        ("no weights", "no weights"),
        ("cut weights", "can load"),
        ("a tokenizer elsewhere", "hf_tokenizer_name"),
    ],
)
def test_a_folder_that_is_no_model_is_told(tmp_path, fresh, what, message):
    damage(vision_language.write_example(tmp_path), what)
    with pytest.raises(DataError, match=message):
        EchoClipScore(EchoClipScore.Options(model=tmp_path)).measure(*clip())
