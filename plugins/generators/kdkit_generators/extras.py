"""Libraries that only some generators need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kdkit import KdkitError


def import_extra(module: str, extra: str, user: str) -> Any:
    """The imported module.

    Raises :class:`kdkit.KdkitError`, which names ``user`` and the line that installs it, when it is missing.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise KdkitError(
            f"{user} needs {module}, which cannot be imported: {error}", f"pip install 'kdkit-generators[{extra}]'"
        ) from error
