"""Folders of real recordings and their labels, whatever their layout."""

from __future__ import annotations

from kdkit import Defect

from .inspection import inspect
from .recording import Contour, Labels, Recording, Study
from .study import LAYOUTS, open_study

__all__ = ["LAYOUTS", "Contour", "Defect", "Labels", "Recording", "Study", "inspect", "open_study"]
