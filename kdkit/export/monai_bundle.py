"""A student as a MONAI bundle, after MONAI's bundle specification: torch and MONAI run it, without kdkit."""

from __future__ import annotations

import itertools
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import kdkit
from kdkit.atomic import write_json, write_text
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import UsageError
from kdkit.export.check import Agreement, Infer, compare_file
from kdkit.export.job import Job, quiet

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
SCRIPT, WEIGHTS = "models/model.ts", "models/model.pt"
# The versions that bundles are tested with, or newer: none of these is needed to write one.
MONAI, PACKAGES = "1.5.0", {"nibabel": "5.2.0", "pytorch-ignite": "0.5.1"}
# Stands in a shape for any length.
ANY = "*"


def write_monai_bundle(job: Job, folder: Path) -> dict[str, Agreement]:
    """Write the bundle and compare its program with the student; file name to how well it agrees.

    Raises :class:`kdkit.UsageError` where predictions are no pictures or volumes, which MONAI's writers need.
    """
    import torch

    from kdkit.export.torch_script import channels_first

    space = _space(job)
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir()
    program = channels_first(job)
    with quiet():  # TorchScript is going, but it is what MONAI's tools read
        torch.jit.save(program, folder / SCRIPT)
    torch.save(job.student.network.state_dict(), folder / WEIGHTS)
    write_json(folder / "configs" / "metadata.json", _metadata(job, space))
    write_json(folder / "configs" / "inference.json", _inference(job.student.domain.activation, len(space)))
    write_text(folder / "docs" / "README.md", _readme(job))
    write_text(folder / "docs" / "license.txt", _licence(job))
    return {SCRIPT: compare_file(SCRIPT, _infer(folder / SCRIPT, job), job.student.network, job.windows, job.axes)}


def _space(job: Job) -> list[int | str]:
    """The lengths of a prediction's axes, without that of classes, "*" for any."""
    import torch

    with torch.inference_mode():
        logits = job.student.network(torch.from_numpy(job.windows[:1]))
    classes_last = job.student.domain.activation == "softmax"
    shape = logits.shape[1:-1] if classes_last else logits.shape[1:]
    if tuple(shape) != job.windows.shape[1:] or len(shape) not in (2, 3):
        raise UsageError(
            "a MONAI bundle holds students of pictures and volumes, whose prediction has their axes: this one takes "
            f"{job.windows.shape[1:]} and gives {tuple(logits.shape[1:])}",
            "Use --format onnx or torch-export.",
        )
    return [ANY if axis in job.axes else length for axis, length in enumerate(shape, 1)]


def _infer(path: Path, job: Job) -> Infer:
    """The bundle's program on raw inputs, with its logits in the student's own layout."""
    import torch

    with quiet():
        program = torch.jit.load(path)
    classes_last = job.student.domain.activation == "softmax"

    def infer(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = program(torch.from_numpy(inputs)[:, None].float())
        return (logits.movedim(1, -1) if classes_last else logits[:, 0]).numpy()

    return infer


def _metadata(job: Job, space: list[int | str]) -> dict[str, Any]:
    """``metadata.json``, with the keys that MONAI's schema asks for."""
    card, domain, dtype = job.student.card, job.student.domain, job.windows.dtype
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    value_range = [int(limits.min), int(limits.max)] if limits else []
    image = {"type": "image", "modality": "n/a", "spatial_shape": space, "dtype": "float32", "is_patch_data": False}
    classes = _classes(job)
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by kdkit {kdkit.__version__}"},
        "monai_version": MONAI,
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": PACKAGES,
        "name": f"{card['domain']} {card['component']}",
        "task": f"Student of the domain {card['domain']}: {card['inputs']}",
        "description": "A network distilled from a teacher without its data; see docs/README.md.",
        "authors": "Who ran the distillation; see docs/README.md",
        "copyright": "See docs/license.txt",
        "intended_use": domain.intended_use or "Not stated by the domain",
        "kdkit": dict(job.metadata),
        "network_data_format": {
            "inputs": {
                "image": image
                | {"format": "magnitude", "num_channels": 1, "value_range": value_range, "channel_def": {"0": "raw"}}
            },
            "outputs": {
                "pred": image
                | {"format": "classes", "num_channels": len(classes), "value_range": [], "channel_def": classes}
            },
        },
    }


def _classes(job: Job) -> dict[str, str]:
    """What each channel of the prediction is; as many as the student has."""
    import torch

    activation = job.student.domain.activation
    if activation != "softmax":
        return {"0": "logit" if activation == "sigmoid" else "value"}
    with torch.inference_mode():
        count = job.student.network(torch.from_numpy(job.windows[:1])).shape[-1]
    return {str(index): f"logit of class {index}" for index in range(count)}


def _inference(activation: Activation, axes: int) -> dict[str, Any]:
    """``inference.json``: every .npy file of a folder, raw inputs of the network, to a NIfTI file of predictions.

    Arrays are (slice or time, row, column), NIfTI's axes the other way round.
    """
    keys = {"keys": "pred"}
    activations = [] if activation == "identity" else [{"_target_": "Activationsd", **keys, activation: True}]
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'inputs')",
        "output_dir": "$os.path.join(@bundle_root, 'predictions')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$[{'image': path} for path in sorted(glob.glob(os.path.join(@dataset_dir, '*.npy')))]",
        "network_def": {"_target_": "torch.jit.load", "f": f"$os.path.join(@bundle_root, '{SCRIPT}')"},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "reader": "NumpyReader"},
                {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": "no_channel"},
                {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                *activations,
                {"_target_": "Transposed", **keys, "indices": [0, *range(axes, 0, -1)]},
                {
                    "_target_": "SaveImaged",
                    **keys,
                    "output_dir": "@output_dir",
                    "output_ext": ".nii.gz",
                    "output_dtype": "$numpy.float32",
                    "separate_folder": False,
                    "resample": False,
                },
            ],
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@network.eval()", "$@evaluator.run()"],
    }


def _readme(job: Job) -> str:
    """The student's page for people where its run wrote one, with how the bundle is run."""
    page = job.student.folder / "README.md"
    about = page.read_text(encoding="utf-8") if page.is_file() else f"# {job.metadata['kdkit.student']}\n"
    return about.rstrip() + "\n" + RUNNING


def _licence(job: Job) -> str:
    licence = job.metadata["kdkit.licence"]
    parts = json.loads(licence) if licence.startswith("{") else {"student": licence}
    return "\n".join(itertools.chain((f"{part}: {text}" for part, text in parts.items()), [""]))


RUNNING = """
## Run this bundle

In its folder, with raw inputs as .npy files in `inputs/`:

```shell
python -m monai.bundle run --config_file configs/inference.json
```

Each gives a NIfTI file of predictions in `predictions/`. `--dataset_dir` and `--output_dir` name other folders.
"""
