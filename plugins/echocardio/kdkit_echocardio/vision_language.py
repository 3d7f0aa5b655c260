"""Vision-language models in OpenCLIP's file layout (EchoCLIP, say), from a local folder and never from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError, KdkitError

CONFIG = "open_clip_config.json"
CHUNK = 32
INSTALL = "pip install 'kdkit-echocardio[echoclip]'"

# What makes OpenCLIP ask a server for files that the folder does not hold.
_ELSEWHERE = ("hf_model_name", "hf_tokenizer_name", "timm_model_pretrained")


def similarities(folder: Path, images: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """The cosine similarity of each image with each prompt: float64 (N, P), -1..1.

    ``folder`` holds ``open_clip_config.json`` and weights; ``images``: grey, uint8 (N, H, W). Raises
    :class:`kdkit.KdkitError` without OpenCLIP, and :class:`kdkit.DataError` when the folder holds no such model.
    """
    import torch
    from PIL import Image

    model, prepare, tokenize = _load(folder)
    with torch.inference_mode():
        texts = model.encode_text(tokenize(list(prompts)), normalize=True)
        parts = []
        for start in range(0, len(images), CHUNK):
            pictures = [Image.fromarray(image).convert("RGB") for image in images[start : start + CHUNK]]
            parts.append(model.encode_image(torch.stack([prepare(p) for p in pictures]), normalize=True) @ texts.T)
        return np.asarray(torch.cat(parts).double().cpu().numpy())


def model_files(folder: Path) -> list[Path]:
    """The files of the model, for a fingerprint."""
    return sorted(path for path in folder.iterdir() if path.is_file())


@lru_cache(maxsize=1)
def _load(folder: Path) -> tuple[Any, Any, Any]:
    open_clip = _open_clip()
    _check(folder)
    try:
        model, _, prepare = open_clip.create_model_and_transforms(
            f"local-dir:{folder}", pretrained_image=False, pretrained_text=False, weights_only=True
        )
        tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    except Exception as error:  # whatever a damaged file makes OpenCLIP, timm or torch raise
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{folder} holds no model that OpenCLIP can load: {reason}") from error
    return model.eval().requires_grad_(False), prepare, tokenize


def _open_clip() -> Any:
    try:
        return import_module("open_clip")
    except ImportError as error:
        raise KdkitError(f"EchoCLIP needs open_clip, which cannot be imported: {error}", INSTALL) from error


def _check(folder: Path) -> None:
    """Raises :class:`kdkit.DataError` where OpenCLIP would go on with random weights, or look elsewhere for files."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        towers: Mapping[str, Any] = {**config["vision_cfg"], **config["text_cfg"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no configuration of OpenCLIP: {error}", "Give the folder of a copy of the model."
        ) from error
    if not any(path.suffix in (".bin", ".safetensors", ".pt", ".pth") for path in folder.iterdir()):
        raise DataError(f"{folder} has a configuration, but no weights beside it")
    named = [key for key in _ELSEWHERE if towers.get(key)]
    if named:
        raise DataError(
            f"{path} sets {' and '.join(named)}, for which files would have to be downloaded",
            "Only models with OpenCLIP's own text tower and tokenizer can be read.",
        )


def write_example(folder: Path) -> Path:
    """A tiny model with random weights in the layout of a real one, to try metrics out with; returns the folder."""
    import torch
    from safetensors.torch import save_file

    config: dict[str, Any] = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = _open_clip().CLIP(**config)
    folder.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    settings = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
    return folder
