"""Loading a video with metadata from its index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..clips import Clip, read_clip


def load_video(path: Path, fps: float | None) -> Clip:
    """The clip in a file, at ``fps`` frames per second where the index says so.

    Raises :class:`kdkit.DataError`, which names the file.
    """
    clip = read_clip(path, resample=False)  # labels count the frames that are stored
    return clip if fps is None else replace(clip, fps=fps)
