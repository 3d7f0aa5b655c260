"""Files that are either whole or absent."""

import os

import pytest

from kdkit.atomic import write_bytes


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_whatever_ends_the_writing_nothing_is_left_beside_what_was_there(tmp_path, monkeypatch, error):
    path = tmp_path / "a.npz"
    write_bytes(path, b"before")

    def interrupted(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(error):
        write_bytes(path, b"after")
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"] and path.read_bytes() == b"before"
