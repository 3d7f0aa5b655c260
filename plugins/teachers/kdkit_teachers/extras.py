"""Libraries that only some teachers need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from kdkit import KdkitError


def needed(module: str, extra: str, teacher: str) -> ModuleType:
    """The module of an optional dependency; raises :class:`kdkit.KdkitError` with the install line without it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise KdkitError(
            f"the teacher {teacher} needs {module}, which cannot be imported: {error}",
            f"pip install 'kdkit-teachers[{extra}]'",
        ) from error
