"""What changes the state of a folder of recordings, and what does not."""

import os

import pytest
from kdkit_echocardio.recordings.selection import state_of


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "deeper/.DS_Store", "._clip.avi"])
def test_what_file_managers_leave_changes_nothing(tmp_path, name):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "clip.avi").write_bytes(b"clip")
    before = state_of(tmp_path)
    (tmp_path / name).write_bytes(b"left")
    assert state_of(tmp_path) == before


def test_a_touched_or_moved_folder_is_the_same_and_another_file_is_not(tmp_path):
    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    (first / "clip.avi").write_bytes(b"clip")
    before = state_of(first)
    os.utime(first)
    first.rename(other)
    assert state_of(other) == before
    (other / "more.avi").write_bytes(b"more")
    assert state_of(other) != before
