"""Paths in a recipe, which may be the name of an environment variable instead."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, FilePath
from pydantic_core import PydanticCustomError

VARIABLES = {
    "ECHONET_DYNAMIC": "the folder of EchoNet-Dynamic, with FileList.csv, VolumeTracings.csv and Videos",
    "ECHONET_SYNTHETIC": "the folder of EchoNet-Synthetic's dynamic clips, with FileList.csv and Videos",
    "ECHONET_WEIGHTS": "EchoNet-Dynamic's release file deeplabv3_resnet50_random.pt",
    "ECHOCARDIO_CLIPS": "a folder of recordings: EchoNet, CAMUS, DICOM cines or video files",
}
"""What the variables that the shipped recipes name are to hold."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))(?=/|$)")


def resolved(value: Any) -> Any:
    """A path with the variable at its start ($NAME or ${NAME}) replaced by its value, and ~ by the home folder.

    Anything but a text is returned as it is. Raises pydantic's error "path_unusable" when the variable is not set.
    """
    if not isinstance(value, str):
        return value
    found = _VARIABLE.match(value)
    if not found:
        return Path(value).expanduser() if value.startswith("~") else value
    name = found[1] or found[2]
    if not os.environ.get(name):
        raise _fault(f"{found[0]} is not set; export {name}=/path, or write the path here: {_told(name)}")
    return Path(os.environ[name] + value[found.end() :])


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise _fault(f"{path} {'is not a folder' if path.exists() else 'does not exist'}")
    return path


def _existing(path: Path) -> Path:
    if not path.exists():
        raise _fault(f"{path} does not exist")
    return path


def _fault(message: str) -> PydanticCustomError:
    """An error of a type that kdkit tells in these very words."""
    return PydanticCustomError("path_unusable", "{told}", {"told": message})


def _told(variable: str) -> str:
    return VARIABLES.get(variable, "a file or folder of yours")


EnvironmentPath = Annotated[Path, BeforeValidator(resolved)]
"""A path, or the name of an environment variable that holds one ("$ECHONET_DYNAMIC/Videos")."""

FolderPath = Annotated[EnvironmentPath, AfterValidator(_folder)]
"""An :data:`EnvironmentPath` of a folder that exists."""

ExistingPath = Annotated[EnvironmentPath, AfterValidator(_existing)]
"""An :data:`EnvironmentPath` of a file or folder that exists."""

EnvironmentFile = Annotated[FilePath, BeforeValidator(resolved)]
"""As :data:`EnvironmentPath`, of a file that exists."""
