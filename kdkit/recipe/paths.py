"""Paths among the options of a component: files and folders that it reads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MISSING_ALLOWED = {"missing_paths": "allowed"}
"""Validation context of a recipe that is only looked at: a path that cannot be used is kept."""

MISSING = "input_missing"
UNSET = "input_variable_unset"
PATH_FAULTS = (MISSING, UNSET)
"""Types of the pydantic errors that an unusable path raises; their message says all."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class RecipeText(str):
    """A text of a recipe file that remembers the file's ``folder``; in everything else a plain text."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> RecipeText:
        self = super().__new__(cls, text)
        self.folder = folder
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Copied or sent to another process it is a plain text."""
        return str, (str(self),)


@dataclass(frozen=True)
class InputMarker:
    """Makes a ``Path`` one of an existing input: expanded, absolute, and checked.

    ``in_words``: the type for people. ``noun``: what the path has to be, as it is called in messages.
    """

    in_words: str
    noun: str
    accepts: Callable[[Path], bool]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Path:
        tolerant = MISSING_ALLOWED.items() <= (info.context or {}).items()
        path: Path = handler(_resolve(value, tolerant) if isinstance(value, str) else value)
        if tolerant and str(path).startswith("$"):  # a variable that is not set
            return path
        path = _absolute(path)
        if not tolerant and not self.accepts(path):
            # Unlike Path's, this takes names that no file can have.
            exists = os.path.exists(path)  # noqa: PTH110
            reason = f"is not a {self.noun}" if exists else "does not exist"
            raise PydanticCustomError(MISSING, "{path} {reason}", {"path": str(path), "reason": reason})
        return path


def _resolve(text: str, tolerant: bool) -> Path:
    """``text`` with ~ and variables expanded, below the folder of the recipe file that it comes from."""
    # Unlike Path's, this leaves an unknown user's home as it is.
    path = Path(os.path.expanduser(_expand(text, tolerant)))  # noqa: PTH111
    # What begins with a variable was written outside of the file.
    return text.folder / path if isinstance(text, RecipeText) and not text.startswith("$") else path


def _expand(text: str, tolerant: bool) -> str:
    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        value = os.environ.get(name)
        if not value and not tolerant:
            message = f"{match[0]} is not set; export {name}=/path, or write the path here"
            raise PydanticCustomError(UNSET, "{message}", {"message": message})
        return value or match[0]

    return _VARIABLE.sub(value_of, text)


def _absolute(path: Path) -> Path:
    # Only the file system knows what lies above a link.
    return path.resolve() if ".." in path.parts else path.absolute()


InputFile = Annotated[Path, InputMarker("path of a file", "file", os.path.isfile)]
"""An existing file. ``~`` and variables (``$NAME``, ``${NAME}``) are expanded; a relative path begins at the folder
of the recipe file that holds it, or at the current folder where it comes from the command line or from Python."""

InputFolder = Annotated[Path, InputMarker("path of a folder", "folder", os.path.isdir)]
"""As :data:`InputFile`, of an existing folder."""

InputPath = Annotated[Path, InputMarker("path of a file or folder", "file or folder", os.path.exists)]
"""As :data:`InputFile`, of an existing file or folder."""
