"""Folders of real recordings with what is known of them, whatever their layout."""

from __future__ import annotations

from .recording import Contour, Defect, Labels, Recording, Study

__all__ = ["Contour", "Defect", "Labels", "Recording", "Study"]
