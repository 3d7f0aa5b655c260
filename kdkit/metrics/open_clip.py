"""Vision-language models in OpenCLIP's file layout, from a local folder and never from elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.errors import DataError, KdkitError

if TYPE_CHECKING:
    import torch

CONFIG = "open_clip_config.json"
INSTALL = "pip install 'kdkit[open-clip]'"
CHUNK = 32
# Some megabytes of pictures' embeddings: the frames of a clip for several models and metrics.
KEPT = 4096

# What makes OpenCLIP ask a server for files that the folder does not hold.
_ELSEWHERE = ("hf_model_name", "hf_tokenizer_name", "timm_model_pretrained")


@dataclass(frozen=True)
class VisionLanguage:
    """A vision-language model in OpenCLIP's file layout (CLIP, Radford et al. 2021; EchoCLIP, say).

    ``folder`` holds ``open_clip_config.json`` and weights. It is read when the model is first asked, and nothing is
    ever downloaded. Pictures and prompts that were asked about lately are not embedded again, so several metrics may
    ask about the same ones.

    Its methods raise :class:`kdkit.KdkitError` without OpenCLIP (the extra ``open-clip``), and
    :class:`kdkit.DataError` when the folder holds no such model.
    """

    folder: Path

    def similarities(self, images: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
        """The cosine similarity of each image with each prompt: float64 (N, P), -1..1.

        ``images``: uint8, grey (N, H, W) or RGB (N, H, W, 3).
        """
        loaded = _loaded(self.folder)
        return np.asarray((loaded.images(images) @ loaded.texts(prompts).T).double().cpu().numpy())

    def similarities_without(
        self, images: np.ndarray, masks: np.ndarray, prompts: Sequence[str], margin: int = 0
    ) -> np.ndarray:
        """As :meth:`similarities`, of the images with a region blacked out.

        ``masks``: bool (N, H, W), what is black; ``margin``: by how many pixels it grows to each side.
        """
        from scipy.ndimage import maximum_filter

        side = 2 * margin + 1
        black = maximum_filter(np.asarray(masks, bool), size=(1, side, side), mode="constant")
        hidden = images.copy()
        hidden[black] = 0
        return self.similarities(hidden, prompts)

    def files(self) -> list[Path]:
        """The files of the model, for a fingerprint."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    @classmethod
    def write_example(cls, folder: Path) -> VisionLanguage:
        """Write a tiny model with random weights in the layout of a real one, to try metrics out with."""
        import torch
        from safetensors.torch import save_file

        config: dict[str, Any] = {
            "embed_dim": 16,
            "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
            "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
        }
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = _open_clip().CLIP(**config)
        folder.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
        settings = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
        (folder / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
        return cls(folder)


class _Loaded:
    """A model in memory, and the embeddings of what it was asked about lately."""

    def __init__(self, folder: Path) -> None:
        self.model, self.prepare, self.tokenize = _load(folder)
        self.seen: dict[Any, torch.Tensor] = {}
        self.read: dict[Any, torch.Tensor] = {}

    def images(self, images: np.ndarray) -> torch.Tensor:
        """Unit vectors (N, D)."""
        import torch
        from PIL import Image

        def embed(some: Sequence[np.ndarray]) -> torch.Tensor:
            pictures = [self.prepare(Image.fromarray(image).convert("RGB")) for image in some]
            return self.model.encode_image(torch.stack(pictures), normalize=True)

        return _remembered(self.seen, [(image.shape, _digest(image)) for image in images], list(images), embed)

    def texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Unit vectors (P, D)."""
        return _remembered(
            self.read,
            prompts,
            prompts,
            lambda some: self.model.encode_text(self.tokenize(list(some)), normalize=True),
        )


def _remembered(
    known: dict[Any, torch.Tensor], keys: Sequence[Any], items: Sequence[Any], embed: Callable[[Any], torch.Tensor]
) -> torch.Tensor:
    """The embedding of each item, looked up by its key where it is known; the latest are kept in ``known``."""
    import torch

    missing = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
    new = list(missing.items())
    with torch.inference_mode():
        for start in range(0, len(new), CHUNK):
            some = new[start : start + CHUNK]
            known |= zip([key for key, _ in some], embed([item for _, item in some]), strict=True)
        found = torch.stack([known[key] for key in keys])
    for key in dict.fromkeys(keys):
        known[key] = known.pop(key)  # the last to be forgotten
    for key in list(known)[: max(0, len(known) - KEPT)]:
        del known[key]
    return found


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> _Loaded:
    return _Loaded(folder)


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
        raise KdkitError(
            f"a vision-language model needs open_clip, which cannot be imported: {error}", INSTALL
        ) from error


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
