"""Video files: reading clips of any kind and size, fitting them to a network, and writing overlays."""

from __future__ import annotations

from .clip import Clip, StillError
from .fitting import SIDE, Square, cut_out, fit, restore
from .read import read_clip

__all__ = ["SIDE", "Clip", "Square", "StillError", "cut_out", "fit", "read_clip", "restore"]
