"""The checkpoints of a training that was cut off: which of them it can go on from."""

from __future__ import annotations

import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

# Lightning numbers a file whose name is taken, as after a kill between writing one and removing the last.
_NAME = re.compile(r"epoch-(\d+)(?:-v(\d+))?\.ckpt")


@dataclass(frozen=True)
class ResumePoint:
    """Where a training begins.

    ``path``: the checkpoint, None to begin anew. ``epochs``: those behind it. ``reason``: why checkpoints that are
    there cannot be used, "" when nothing is lost.
    """

    path: Path | None = None
    epochs: int = 0
    reason: str = ""


def find_resume_point(folder: Path) -> ResumePoint:
    """The newest checkpoint in ``folder`` that can be read; nothing is changed there.

    On how many devices it was made means nothing: they share each batch, so an epoch has the same optimiser steps.
    """
    checkpoints = sorted(_numbered(folder), reverse=True)
    for (epoch, _), path in checkpoints:
        content = _read(path)
        if content is None or not _has_readable_best(content, folder):
            continue
        return ResumePoint(path, epoch + 1)
    return ResumePoint(reason="its checkpoints are damaged" if checkpoints else "")


def drop_checkpoints(checkpoints: Path, folder: Path, resume: ResumePoint) -> None:
    """Remove what the training does not go on from: of other inputs, and of its own in ``folder``."""
    for other in checkpoints.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    if resume.path is None:
        shutil.rmtree(folder, ignore_errors=True)
    for _, path in _numbered(folder):
        if path != resume.path:
            path.unlink(missing_ok=True)


def _numbered(folder: Path) -> list[tuple[tuple[int, int], Path]]:
    """((epoch, number among files of that epoch), path) of every checkpoint of an epoch."""
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.glob("*.ckpt")]
    return [((int(match[1]), int(match[2] or 0)), path) for match, path in matches if match]


def _has_readable_best(content: dict[str, Any], folder: Path) -> bool:
    """Whether the weights of the best epoch, which a checkpoint refers to, are in ``folder`` still."""
    states = content.get("callbacks", {}).values()
    paths = [Path(state["best_model_path"]) for state in states if state.get("best_model_path")]
    best = [path for path in paths if path.name.startswith("best-")]
    return all(path.resolve().parent == folder.resolve() and _read(path) is not None for path in best)


def _read(path: Path) -> dict[str, Any] | None:
    """None for one that was cut off while it was written, or has changed since.

    torch raises many kinds of errors for that.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch itself does not look at the checksums
                return None
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None
    return content if isinstance(content, dict) and "state_dict" in content else None
