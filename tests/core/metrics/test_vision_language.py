"""Vision-language models from a folder, and the scores that they give: a tiny random one stands for a real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kdkit import DataError, KdkitError, Sample, VisionLanguage
from kdkit.metrics import open_clip as vision_language
from kdkit.metrics.vision_language import ClipAgreement, ClipScore, pictures
from kdkit.testing import MetricContract

open_clip = pytest.importorskip("open_clip", reason="the extra open-clip of kdkit is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> VisionLanguage:
    return VisionLanguage.write_example(tmp_path_factory.mktemp("model"))


@pytest.fixture
def fresh():
    """No model is loaded yet."""
    vision_language._load_model.cache_clear()
    yield
    vision_language._load_model.cache_clear()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(30, 256, shape).astype(np.uint8)


def by_open_clip(model: VisionLanguage, images: np.ndarray, prompts: list[str]) -> np.ndarray:
    """The cosine similarities as OpenCLIP itself gives them."""
    import torch
    from PIL import Image

    network, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{model.folder}")
    text = network.encode_text(open_clip.get_tokenizer("ViT-B-32", context_length=32)(prompts))
    image = network.encode_image(torch.stack([prepare(Image.fromarray(i).convert("RGB")) for i in images]))
    return torch.nn.functional.cosine_similarity(image[:, None], text[None], dim=-1).detach().numpy()


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 40, 24, 3)])
def test_similarities_are_openclips_own(model, shape):
    images, prompts = noise(*shape), ["a wall", "nothing"]
    expected = by_open_clip(model, images, prompts)
    np.testing.assert_allclose(model.similarities(images, prompts), expected, atol=1e-5)


def test_what_was_asked_about_is_not_embedded_again(model, fresh, monkeypatch):
    loaded = vision_language._load_model(model.folder)
    calls = {"encode_image": 0, "encode_text": 0}
    for name in calls:
        method = getattr(loaded.model, name)

        def count_call(batch, normalize, name=name, method=method):
            calls[name] += len(batch)
            return method(batch, normalize=normalize)

        monkeypatch.setattr(loaded.model, name, count_call)
    images = noise(5, 16, 16)
    first = model.similarities(images[:4], ["a", "b"])
    np.testing.assert_allclose(model.similarities(images[[3, 2, 2, 4]], ["b", "c"])[:3, 0], first[[3, 2, 2], 1])
    assert calls == {"encode_image": 5, "encode_text": 3}


def test_only_the_latest_pictures_are_kept(model, fresh, monkeypatch):
    monkeypatch.setattr(vision_language, "KEPT", 3)
    images = noise(5, 16, 16)
    whole = model.similarities(images, ["a"])
    assert len(vision_language._load_model(model.folder).image_cache) == 3
    np.testing.assert_allclose(model.similarities(images, ["a"]), whole, atol=1e-6)


def test_a_margin_blackens_what_lies_around_the_mask(model, monkeypatch):
    calls = []
    monkeypatch.setattr(VisionLanguage, "similarities", lambda self, images, prompts: calls.append(images))
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 5:8, 6:10] = True
    for images in (noise(2, 16, 16), noise(2, 16, 16, 3)):
        for margin, black in ((0, np.s_[:, 5:8, 6:10]), (2, np.s_[:, 3:10, 4:12])):
            model.similarities_without(images, masks, ["a"], margin)
            expected = images.copy()
            expected[black] = 0
            np.testing.assert_array_equal(calls[-1], expected)


def square() -> np.ndarray:
    prediction = np.full((32, 32), 0.2, np.float32)
    prediction[10:20, 12:22] = 0.9
    return prediction


@pytest.mark.parametrize("colours", [(), (3,)])
def test_the_score_by_hand(model, colours):
    picture = noise(32, 32, *colours)
    inside, around = picture.copy(), picture.copy()
    inside[10:20, 12:22] = 0
    around[9:21, 11:23] = 0
    expected = (
        by_open_clip(model, inside[None], ["a wall"])[0, 0]
        - 0.5 * by_open_clip(model, around[None], ["a square"])[0, 0]
    )
    terms = [{"prompt": "a wall"}, {"prompt": "a square", "weight": -0.5, "margin": 1}]
    metric = ClipScore(ClipScore.Options(model=model.folder, terms=terms))
    assert metric.measure(square(), Sample(picture)) == [(pytest.approx(expected, abs=1e-5),)]
    clip = Sample(np.stack([picture, picture]))
    assert metric.measure(np.stack([square()] * 2), clip) == [(pytest.approx(expected, abs=1e-5),)]


def test_agreement_is_with_the_nearest_prompt_whatever_the_label(model):
    prompts = ["a cat", "a dog", "a house by the sea"]
    metric = ClipAgreement(ClipAgreement.Options(model=model.folder, prompts=prompts))
    clip = noise(4, 24, 24, 3)
    seen = by_open_clip(model, clip, prompts).mean(0).argmax()
    predictions = np.eye(3, dtype=np.float32)
    assert [metric.measure(prediction, Sample(clip)) for prediction in predictions] == [
        [(float(i == seen),)] for i in range(3)
    ]


@pytest.mark.parametrize(
    ("shape", "dtype", "seen"),
    [
        ((8, 8), np.uint8, (1, 8, 8)),
        ((8, 9, 3), np.uint8, (1, 8, 9, 3)),
        ((5, 8, 8), np.uint8, (5, 8, 8)),
        ((5, 8, 9, 3), np.uint8, (5, 8, 9, 3)),
        ((8,), np.uint8, None),
        ((2, 5, 8, 8), np.uint8, None),
        ((8, 8), np.float32, None),
    ],
)
def test_samples_are_images_or_clips(shape, dtype, seen):
    sample = Sample(np.zeros(shape, dtype), info={"name": "it"})
    if seen:
        assert pictures(sample).shape == seen
    else:
        with pytest.raises(DataError, match=r"it is .* no vision-language model can look at"):
            pictures(sample)


def test_a_prediction_of_the_other_kind_is_refused(model):
    score = ClipScore(ClipScore.Options(model=model.folder, terms=[{"prompt": "a"}]))
    with pytest.raises(DataError, match=r"clip-score needs a mask .* shape \(10,\)"):
        score.measure(np.zeros(10, np.float32), Sample(noise(8, 8)))
    agreement = ClipAgreement(ClipAgreement.Options(model=model.folder, prompts=["a", "b"]))
    with pytest.raises(DataError, match=r"2 prompts, but the prediction .* shape \(8, 8\)"):
        agreement.measure(np.zeros((8, 8), np.float32), Sample(noise(8, 8)))


def test_without_the_extra_the_install_line_is_told(model, fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(KdkitError, match="open_clip") as caught:
        model.similarities(noise(1, 8, 8), ["a"])
    assert "pip install 'kdkit[open-clip]'" in str(caught.value)


def damage(folder: Path, what: str) -> None:
    config = folder / vision_language.CONFIG
    if what == "no config":
        config.unlink()
    elif what == "no weights":
        (folder / "open_clip_model.safetensors").unlink()
    elif what == "cut weights":
        weights = folder / "open_clip_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        settings = json.loads(config.read_text())
        settings["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "someone/something"
        config.write_text(json.dumps(settings))


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
    model = VisionLanguage.write_example(tmp_path)
    damage(tmp_path, what)
    with pytest.raises(DataError, match=message):
        model.similarities(noise(1, 8, 8), ["a"])


class TestClipScore(MetricContract):
    component = ClipScore


class TestClipAgreement(MetricContract):
    component = ClipAgreement
