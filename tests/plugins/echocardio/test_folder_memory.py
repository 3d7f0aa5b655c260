"""What was found out about a folder is remembered, as long as it holds."""

import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from kdkit_echocardio.example_data import write_clips, write_echonet
from kdkit_echocardio.recorded import Recordings
from kdkit_echocardio.recordings import memory as memory_module
from kdkit_echocardio.recordings.memory import FolderMemory
from kdkit_echocardio.recordings.selection import state_of

from kdkit import DataError, Silence


class Watch(Silence):
    """Counts the steps that are left to be done when work begins."""

    def __init__(self):
        self.left = []

    @contextmanager
    def work(self, stage, what, total, unit, done=0):
        self.left.append(total - done)
        yield self


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_echonet(tmp_path_factory.mktemp("written") / "echonet")


@pytest.fixture
def folder(home, written, tmp_path):
    return shutil.copytree(written, tmp_path / "echonet")


@pytest.fixture
def decoded(monkeypatch):
    """The names of the recordings that are decoded from here on, in this process."""
    names = []
    original = memory_module.examine
    monkeypatch.setattr(memory_module, "examine", lambda r: names.append(r.name) or original(r))
    return names


def look(folder):
    """As a new process would: the examinations, and how much was left to be done."""
    memory, watch = FolderMemory(folder, "auto", state_of(folder)), Watch()
    return memory.examine(memory.study().recordings, watch), watch.left


def cache_file(tmp_path):
    (file,) = (tmp_path / "cache" / "kdkit" / "recordings").glob("*.npz")
    return file


def test_a_second_look_decodes_nothing_and_sees_the_same(folder, decoded, monkeypatch):
    first, left = look(folder)
    assert (len(decoded), left) == (4, [4])
    monkeypatch.setattr(memory_module, "open_study", None)  # not even the index is read again
    second, left = look(folder)
    assert (len(decoded), left) == (4, [])
    assert second == first
    assert [e.fault.kind for e in second.values() if e.fault] == ["undecodable"]


def test_a_remembered_study_gives_the_same_samples(folder):
    fresh, remembered = (FolderMemory(folder, "auto", state_of(folder)).study() for _ in range(2))
    assert fresh.defects == remembered.defects
    for one, other in zip(fresh.recordings, remembered.recordings, strict=True):
        assert (one.name, one.path, one.info, one.declared_size) == (
            other.name,
            other.path,
            other.info,
            other.declared_size,
        )
        for mine, theirs in zip(one.labels.contours, other.labels.contours, strict=True):
            assert mine.frame == theirs.frame
            for name in ("points", "axis", "chords"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert np.array_equal(fresh.recordings[0].load().frames, remembered.recordings[0].load().frames)


def test_only_what_changed_is_decoded_again(folder, decoded):
    look(folder)
    decoded.clear()
    videos = sorted((folder / "Videos").iterdir())
    os.utime(videos[0])  # touched, with the same content
    shutil.copyfile(videos[2], videos[1])
    _, left = look(folder)
    assert decoded == [videos[1].stem]
    assert left == [2]


def test_changed_labels_are_held_against_the_clip_anew(folder, decoded):
    look(folder)
    decoded.clear()
    table = folder / "VolumeTracings.csv"
    lines = table.read_text().splitlines()
    name = lines[1].partition(".")[0]
    frame = lines[1].rpartition(",")[2]
    own = [line.startswith(name) and line.endswith(f",{frame}") for line in lines]
    moved = [f"{line.removesuffix(frame)}99" if is_own else line for line, is_own in zip(lines, own, strict=True)]
    table.write_text("\n".join(moved) + "\n")
    examinations, _ = look(folder)
    assert decoded == [name]
    assert examinations[name].fault.kind == "frame-out-of-range"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not to its end", None])
def test_a_damaged_memory_is_made_again(folder, decoded, tmp_path, damage):
    first, _ = look(folder)
    file = cache_file(tmp_path)
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    decoded.clear()
    assert look(folder)[0] == first
    assert len(decoded) == 4
    decoded.clear()
    assert look(folder)[0] == first
    assert decoded == []


def test_another_version_of_the_code_looks_again(folder, decoded, monkeypatch):
    look(folder)
    monkeypatch.setattr(memory_module, "_version", lambda: "another")
    look(folder)
    assert len(decoded) == 8


def test_a_cache_that_cannot_be_written_stops_nothing(folder, tmp_path, decoded):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(look(folder)[0]) == len(look(folder)[0]) == 4
    assert len(decoded) == 8


def test_several_processes_see_what_one_does(home, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_module, "FEWEST_FOR_PROCESSES", 1)
    monkeypatch.setattr(memory_module, "usable_cores", lambda: 2)
    folder = write_clips(tmp_path / "clips")
    (folder / "clip9.mp4").write_bytes(b"no clip at all")
    many, _ = look(folder)
    cache_file(tmp_path).unlink()
    monkeypatch.setattr(memory_module, "FEWEST_FOR_PROCESSES", 99)
    assert look(folder)[0] == many
    assert len(many) == 9


def test_an_interruption_keeps_what_was_found_out(folder, monkeypatch):
    original, seen = memory_module.examine, []

    def interrupted(recording):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(recording.name)
        return original(recording)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(memory_module, "examine", interrupted)
        look(folder)
    assert look(folder)[1] == [2]


def test_an_unchecked_source_decodes_each_clip_once_and_names_what_is_damaged(folder, decoded, monkeypatch):
    source = Recordings(Recordings.Options.model_validate({"path": folder}))
    unchecked = source.unchecked()
    assert unchecked.count() == 4
    assert decoded == []
    with pytest.raises(DataError, match=f"{3:016X}.avi"):
        next(unchecked.generate([3]))
    assert source.count() == 3
    for index in range(3):
        one, other = next(source.generate([index])), next(unchecked.generate([index]))
        assert np.array_equal(one.inputs, other.inputs)
        assert one.info == other.info
