"""Entry points on an import path that holds more than folders of sound metadata."""

import sys
import zipfile
from pathlib import Path

import pytest

from kdkit.plugins.discovery import plugin_points

POINTS = "[kdkit]\nfound = found_hooks\n"


@pytest.fixture
def names(monkeypatch):
    """The names of the plugins that are found on this import path alone."""

    def on(*path):
        monkeypatch.setattr(sys, "path", [str(entry) for entry in path])
        return [point.name for point in plugin_points()]

    return on


def lay_out(folder: Path, content: str | bytes = POINTS, metadata: str = "kdkit_found-1.0.dist-info") -> Path:
    place = folder / metadata
    place.mkdir(parents=True)
    (place / "entry_points.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_entries_that_cannot_be_looked_into_hide_nothing(names, tmp_path):
    site = lay_out(tmp_path / "site")
    (tmp_path / "file.zip").write_bytes(b"PK\x05\x06 cut off")
    assert names("x" * 300, tmp_path / "nowhere", tmp_path / "file.zip", "\0", site) == ["found"]


def test_a_damaged_archive_hides_nothing(names, tmp_path):
    site, archive = lay_out(tmp_path / "site"), tmp_path / "one.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("kdkit_zipped-1.0.dist-info/entry_points.txt", "[kdkit]\nzipped = zipped_hooks\n")
    assert names(archive, site) == ["found", "zipped"]
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place : place + 4] = b"PK??"
    archive.write_bytes(content)
    assert names(archive, site) == ["found"]


@pytest.mark.parametrize("end", ["", "/"])
def test_an_egg_is_read_however_its_folder_is_written(names, tmp_path, end):
    lay_out(tmp_path / "kdkit_found-1.0-py3.11.egg", metadata="EGG-INFO")
    assert names(f"{tmp_path}/kdkit_found-1.0-py3.11.egg{end}") == ["found"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbf" + POINTS.encode(), ["found"]),
        (POINTS + "[other]\nshare = 100 %\n", ["found"]),
        ("[other]\nkdkit = other\n", []),
        ("[kdkit.extra]\nfound = found_hooks\n", []),
    ],
    ids=["mark of byte order", "percent sign", "only a name", "another group"],
)
def test_what_a_file_may_hold(names, tmp_path, content, expected):
    assert names(lay_out(tmp_path, content)) == expected


def test_a_folder_that_is_no_metadata_is_passed_over(names, tmp_path):
    assert names(lay_out(tmp_path, metadata="release-info")) == []
