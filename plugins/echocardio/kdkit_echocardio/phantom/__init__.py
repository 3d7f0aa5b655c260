"""Simulated apical four-chamber clips of a beating heart: cavity, timing and ejection fraction known exactly."""

from __future__ import annotations

from .clip import PhantomClip, simulate
from .sheet import contact_sheet

__all__ = ["VERSION", "PhantomClip", "contact_sheet", "simulate"]

VERSION = "3.1"
"""Changes whenever the same generator state gives other clips: its second number where they are drawn from the same
distributions as before, its first where other clips are drawn."""
