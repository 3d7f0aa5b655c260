"""Annotation-free evaluation in a domain that knows nothing of it: digits, judged by a vision-language model."""

import json

import numpy as np
import pytest
from kdkit_digits.teacher import DigitsCNN

from kdkit import VisionLanguage
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

open_clip = pytest.importorskip("open_clip", reason="the extra open-clip of kdkit is not installed")

PROMPTS = [f"a drawing of the digit {digit}" for digit in range(10)]
COUNT = 40


def opinionated(folder):
    """A tiny random model whose answers depend on what it is shown: fresh weights tell hardly any pictures apart."""
    from safetensors.torch import load_file, save_file

    VisionLanguage.write_example(folder)
    path = folder / "open_clip_model.safetensors"
    weights = load_file(path)
    for name, factor in (("conv1.weight", 50), ("positional_embedding", 0), ("class_embedding", 0)):
        weights[f"visual.{name}"] *= factor
    weights["token_embedding.weight"] *= 50
    save_file(weights, path)
    return folder


def seen_by_open_clip(folder, images):
    """The digit that each image is closest to, asked of the model directly."""
    import torch
    from PIL import Image

    network, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    texts = network.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(PROMPTS), normalize=True)
    pictures = torch.stack([prepare(Image.fromarray(image).convert("RGB")) for image in images])
    return (network.encode_image(pictures, normalize=True) @ texts.T).argmax(1).numpy()


def test_the_teachers_agreement_is_the_one_by_hand(tmp_path):
    import torch

    folder = opinionated(tmp_path / "clip")
    metric = json.dumps({"name": "clip-agreement", "model": str(folder), "prompts": PROMPTS})
    settings = (
        f"evaluation.metrics=[{metric}, accuracy]",
        f"samples={{train: 40, validation: 10, evaluation: {COUNT}}}",
        "training.epochs=1",
        "controls=[]",
    )
    experiment = load_experiment(discover({}), "digits", settings=settings)
    run = Run(experiment, RunFolder(tmp_path / "run"), tmp_path / "store", Silence())
    run_stages(run)
    score = json.loads((tmp_path / "run" / "scores.json").read_text())["teacher"]["clip-agreement"]
    # Which images of the held-out half are evaluated on is drawn.
    split = run.evaluation.split
    images = np.stack([split.samples.sample(index).inputs for index in split.indices])
    with torch.inference_mode():
        answered = DigitsCNN().build().eval()(torch.from_numpy(images)).argmax(1).numpy()
    seen = seen_by_open_clip(folder, images)
    assert len(set(seen.tolist())) > 2
    assert score["n"] == COUNT
    assert score["value"] == pytest.approx(np.mean(answered == seen))
