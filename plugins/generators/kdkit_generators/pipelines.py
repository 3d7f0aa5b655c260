"""Loading and running pipelines of the diffusers library; importing it loads torch and diffusers."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdkit import DataError, WeightsError, one_thread
from kdkit_generators.extras import import_extra

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")


def load(folder: Path, device: str) -> Any:
    """The pipeline in a folder.

    Raises :class:`kdkit.WeightsError` when it is none, is not whole, or would execute code from the folder.
    """
    diffusers = import_extra("diffusers", "diffusers", "the generator diffusers")
    _check(folder)
    diffusers.utils.logging.disable_progress_bar()
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"the pipeline in {folder} cannot be loaded: {reason}") from error


def image_of(pipeline: Any, seed: int, label: int | None, steps: int) -> np.ndarray:
    """One image, uint8 (H, W, 3), or (H, W) of one channel. Raises :class:`kdkit.DataError` for a missing label."""
    parameters = inspect.signature(pipeline.__call__).parameters
    generator = torch.Generator("cpu").manual_seed(seed)
    arguments: dict[str, Any] = {"generator": generator, "num_inference_steps": steps, "output_type": "np"}
    if "class_labels" in parameters:
        if label is None:
            raise DataError("this pipeline makes an image of a class", "Give the generator's option classes.")
        arguments["class_labels"] = [label]
    else:
        arguments["batch_size"] = 1
        if label is not None:
            raise DataError("this pipeline takes no class labels", "Leave the generator's option classes out.")
    required_names = [
        name for name, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    missing = [name for name in required_names if name not in arguments]
    if missing:
        raise DataError(
            f"this pipeline needs {', '.join(missing)}, which nothing here gives",
            "Unconditional and class-conditional pipelines can be used.",
        )
    with one_thread(), torch.inference_mode():
        images = pipeline(**{name: value for name, value in arguments.items() if name in parameters}).images
    image = (np.asarray(images[0]) * 255).round().clip(0, 255).astype(np.uint8)
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image


def save_example(folder: Path) -> Path:
    """A pipeline with a tiny random network, 8x8 in colour, saved into ``folder``."""
    diffusers = import_extra("diffusers", "diffusers", "the generator diffusers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = diffusers.UNet2DModel(
            sample_size=8,
            in_channels=3,
            out_channels=3,
            layers_per_block=1,
            block_out_channels=(8,),
            norm_num_groups=4,
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),
        )
    diffusers.DDPMPipeline(network, diffusers.DDPMScheduler(num_train_timesteps=10)).save_pretrained(str(folder))
    return folder


def _check(folder: Path) -> None:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        parts = {name: value for name, value in index.items() if not name.startswith("_")}
        own = [name for name, part in parts.items() if isinstance(part, list) and part[0] not in (*LIBRARIES, None)]
        if not isinstance(index["_class_name"], str):
            own.append("the pipeline itself")
    except (OSError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise WeightsError(f"{folder} holds no pipeline: its {INDEX} is missing or damaged") from error
    if own or list(folder.rglob("*.py")):
        what = ", ".join(own) or "a Python file"
        raise WeightsError(f"the pipeline in {folder} was not loaded: {what} would execute code from that folder")
