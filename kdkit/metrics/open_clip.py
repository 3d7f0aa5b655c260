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

from kdkit.content import visible_files
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

    ``folder`` holds ``open_clip_config.json`` and weights. It is read when the model is first used, and nothing is
    ever downloaded. Pictures and prompts that were embedded lately are not embedded again, so several metrics may
    compare the same ones.

    Its methods raise :class:`kdkit.KdkitError` without OpenCLIP (the extra ``open-clip``), and
    :class:`kdkit.DataError` when the folder holds no such model.
    """

    folder: Path

    def similarities(self, images: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
        """The cosine similarity of each image with each prompt: float64 (N, P), -1..1.

        ``images``: uint8, grey (N, H, W) or RGB (N, H, W, 3).
        """
        model = _load_model(self.folder)
        return np.asarray((model.images(images) @ model.texts(prompts).T).double().cpu().numpy())

    def similarities_without(
        self, images: np.ndarray, masks: np.ndarray, prompts: Sequence[str], margin: int = 0
    ) -> np.ndarray:
        """As :meth:`similarities`, of the images with a region blacked out.

        ``masks``: bool (N, H, W), what is black; ``margin``: by how many pixels it grows to each side.
        """
        from scipy.ndimage import maximum_filter

        side = 2 * margin + 1
        black = maximum_filter(np.asarray(masks, bool), size=(1, side, side), mode="constant")
        masked_images = images.copy()
        masked_images[black] = 0
        return self.similarities(masked_images, prompts)

    def files(self) -> list[Path]:
        """The files of the model, for a fingerprint."""
        return [path for path in visible_files(self.folder) if path.parent == self.folder]

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


class _LoadedModel:
    """A model in memory, and the embeddings that it computed lately."""

    def __init__(self, folder: Path) -> None:
        self.model, self.prepare, self.tokenize = _read_model(folder)
        self.image_cache: dict[Any, torch.Tensor] = {}
        self.text_cache: dict[Any, torch.Tensor] = {}

    def images(self, images: np.ndarray) -> torch.Tensor:
        """Unit vectors (N, D)."""
        import torch
        from PIL import Image

        def embed(chunk: Sequence[np.ndarray]) -> torch.Tensor:
            pictures = [self.prepare(Image.fromarray(image).convert("RGB")) for image in chunk]
            return self.model.encode_image(torch.stack(pictures), normalize=True)

        return _embed_cached(
            self.image_cache, [(image.shape, _digest(image)) for image in images], list(images), embed
        )

    def texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Unit vectors (P, D)."""
        return _embed_cached(
            self.text_cache,
            prompts,
            prompts,
            lambda chunk: self.model.encode_text(self.tokenize(list(chunk)), normalize=True),
        )


def _embed_cached(
    cache: dict[Any, torch.Tensor], keys: Sequence[Any], items: Sequence[Any], embed: Callable[[Any], torch.Tensor]
) -> torch.Tensor:
    """The embedding of each item, looked up by its key where it is in ``cache``, which keeps the latest."""
    import torch

    missing = {key: item for key, item in zip(keys, items, strict=True) if key not in cache}
    new_items = list(missing.items())
    with torch.inference_mode():
        for start in range(0, len(new_items), CHUNK):
            chunk = new_items[start : start + CHUNK]
            cache |= zip([key for key, _ in chunk], embed([item for _, item in chunk]), strict=True)
        embeddings = torch.stack([cache[key] for key in keys])
    for key in dict.fromkeys(keys):
        cache[key] = cache.pop(key)  # the last to be forgotten
    for key in list(cache)[: max(0, len(cache) - KEPT)]:
        del cache[key]
    return embeddings


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


@lru_cache(maxsize=2)
def _load_model(folder: Path) -> _LoadedModel:
    return _LoadedModel(folder)


def _read_model(folder: Path) -> tuple[Any, Any, Any]:
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
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is no configuration of OpenCLIP: {error}", "Give the folder of a copy of the model."
        ) from error
    if not any(path.suffix in (".bin", ".safetensors", ".pt", ".pth") for path in folder.iterdir()):
        raise DataError(f"{folder} has a configuration, but no weights beside it")
    remote_keys = [key for key in _ELSEWHERE if towers.get(key)]
    if remote_keys:
        raise DataError(
            f"{path} sets {' and '.join(remote_keys)}, for which files would have to be downloaded",
            "Only models with OpenCLIP's own text tower and tokenizer can be read.",
        )
