"""What every component has."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import DirectoryPath, FilePath

from kdkit import ComponentOptions
from kdkit.contracts.component import is_path_field


class Options(ComponentOptions):
    plain: Path
    file: FilePath
    folder: DirectoryPath | None = None
    marked: Annotated[Path, "input"] | None = None
    text: str = "weights"
    number: int | None = None
    either: Path | Literal["embedded"] = "embedded"
    several: tuple[Path, ...] = ()


@pytest.mark.parametrize("name", Options.model_fields)
def test_an_option_is_a_path_by_its_type(name):
    assert is_path_field(Options.model_fields[name]) is (name in ("plain", "file", "folder", "marked"))
