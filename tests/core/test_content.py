"""Digests of files: right at once, and remembered, so that no file is read twice."""

import os
from contextlib import contextmanager
from hashlib import sha256

import pytest

from kdkit import Silence, content, file_digests, folder_digest, visible_files


class Watch(Silence):
    """Counts the files that are read."""

    def __init__(self):
        self.read = 0

    @contextmanager
    def work(self, stage, what, total, unit, done=0):
        yield self

    def advance(self, steps=1, note=""):
        self.read += steps


@pytest.fixture
def folder(home, tmp_path):
    folder = tmp_path / "clips"
    for name in ("a.avi", "deeper/b.avi", "deeper/c.avi"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def count_read(folder):
    """How many files a new process reads for the digest."""
    content._read_memory.cache_clear()
    watch = Watch()
    folder_digest(folder, watch)
    return watch.read


def test_digests_are_sha256(folder):
    files = [*visible_files(folder), folder / "gone.avi"]
    expected = [sha256(name).hexdigest() for name in (b"a.avi", b"deeper/b.avi", b"deeper/c.avi")]
    for _ in range(2):
        assert file_digests(folder, files) == [*expected, ""]


def test_a_file_is_read_again_only_when_size_or_time_is_another(folder):
    assert [count_read(folder), count_read(folder)] == [3, 0]
    os.utime(folder / "a.avi", ns=(1, 1))
    (folder / "deeper" / "c.avi").write_bytes(b"longer than before")
    assert [count_read(folder), count_read(folder)] == [2, 0]


def test_hidden_files_and_those_of_file_managers_are_not_there(folder):
    before = folder_digest(folder)
    (folder / ".git").mkdir()
    for name in (".DS_Store", "Thumbs.db", "deeper/desktop.ini", "deeper/._b.avi", ".git/index"):
        (folder / name).write_bytes(b"left")
    (folder / "nowhere").symlink_to("gone")
    os.mkfifo(folder / "pipe")
    assert folder_digest(folder) == before


@pytest.mark.parametrize("name", ["näme.avi", b"l\xe4tin.avi", "line\nbreak.avi"])
def test_any_name_is_remembered(folder, name):
    (folder / os.fsdecode(name)).write_bytes(b"odd")
    assert [count_read(folder), count_read(folder)] == [4, 0]


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"files": {"a.avi": [5, 1, "0"]}, "digest": ""}'])
def test_a_damaged_memory_is_made_again(folder, tmp_path, damage):
    before = folder_digest(folder)
    (memory,) = (tmp_path / "cache" / "kdkit" / "contents").iterdir()
    memory.write_bytes(damage)
    assert count_read(folder) == 3
    assert folder_digest(folder) == before


def test_a_cache_that_cannot_be_written_stops_nothing(folder, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert [count_read(folder), count_read(folder)] == [3, 3]


def test_an_interruption_keeps_what_was_read(folder):
    class Interrupted(Watch):
        def advance(self, steps=1, note=""):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder_digest(folder, Interrupted())
    assert count_read(folder) == 2
