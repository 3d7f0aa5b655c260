"""Paths in a recipe, which may be the name of an environment variable instead."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))(?=/|$)")


def resolved(value: Any) -> Any:
    """A path with the variable at its start ($NAME or ${NAME}) replaced by its value, and ~ by the home folder.

    Anything but a text is returned as it is. Raises ValueError when the variable is not set.
    """
    if not isinstance(value, str):
        return value
    found = _VARIABLE.match(value)
    if not found:
        return Path(value).expanduser() if value.startswith("~") else value
    name = found[1] or found[2]
    if not os.environ.get(name):
        raise ValueError(f"the environment variable {name} is not set; export {name}=/path, or write the path here")
    return Path(os.environ[name] + value[found.end() :])


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"{path} {'is not a folder' if path.exists() else 'does not exist'}")
    return path


EnvironmentPath = Annotated[Path, BeforeValidator(resolved)]
"""A path, or the name of an environment variable that holds one ("$ECHONET_DYNAMIC/Videos")."""

FolderPath = Annotated[EnvironmentPath, AfterValidator(_folder)]
"""An :data:`EnvironmentPath` of a folder that exists."""
