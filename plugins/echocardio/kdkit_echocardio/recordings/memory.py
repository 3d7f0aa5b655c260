"""What was found out about a folder of recordings, remembered in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from kdkit import Bar, Defect, KdkitError, Progress, file_digest, map_in_processes, usable_cores

from ..clips.atomic import replacing
from .echonet_dynamic import VIDEO_DIR
from .inspection import ClipFacts, Examination, examine
from .recording import Recording, Study
from .study import open_study
from .study_codec import NotPlainError, decode, encode, is_plain

# Raise it when what is kept changes its form.
FORMAT = 1
# A process needs a second or two to start; fewer recordings are decoded sooner without.
FEWEST_FOR_PROCESSES = 48
_BATCH = 8
_CODE = ("clips", "geometry", "recordings")

# Everything that a damaged file may raise.
_DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile)


class FolderMemory:
    """The study of a folder and what decoding its recordings showed.

    Kept for each folder and layout in one file, which is replaced in one step, so that several processes may use it;
    one that is damaged, or of another version of this code, counts as not there. An examination holds as long as its
    recording's file keeps size and time of last change, or else its content, and its labels stay what they were.
    """

    def __init__(self, path: Path, layout: str, state: str) -> None:
        """``state``: of the folder's files, by :func:`kdkit_echocardio.recordings.selection.state_of`."""
        self.path = path
        self.layout = layout
        self.state = state
        self._is_new = False
        self._stored, numbers = self._read()
        self._study = self._remembered_study(numbers)
        self._examinations: dict[str, Examination] = {}

    def study(self) -> Study:
        """The recordings of the folder, none decoded. Raises as :func:`open_study`."""
        if self._study is None:
            self._study = open_study(self.path, self.layout)
            self._is_new = True
            self.save()
        return self._study

    def examine(self, recordings: Sequence[Recording], progress: Progress) -> dict[str, Examination]:
        """What decoding each recording shows, by its name: remembered, or found out now in parallel, with a bar."""
        for recording in recordings:
            if recording.name not in self._examinations and (known := self._remembered(recording)):
                self._examinations[recording.name] = known
        missing = [recording for recording in recordings if recording.name not in self._examinations]
        if missing:
            done = len(recordings) - len(missing)
            with progress.work("check", self.path.name, len(recordings), "recordings", done) as bar:
                self._examine(missing, bar)
        return {recording.name: self._examinations[recording.name] for recording in recordings}

    def _examine(self, recordings: Sequence[Recording], bar: Bar) -> None:
        changed = []
        try:
            for recording in recordings:
                if known := self._remembered_by_content(recording):
                    self._examinations[recording.name] = known
                    bar.advance()
                else:
                    changed.append(recording)
            for name, examination in _examine_all(changed):
                self._examinations[name] = examination
                bar.advance()
        finally:  # what was found out before an interruption is kept
            self._is_new = True
            self.save()

    def digests(self) -> dict[str, str]:
        """The SHA-256 of the file of each recording that was examined, by its name."""
        return {name: examination.digest for name, examination in self._examinations.items()}

    def save(self) -> None:
        """Write down what is new. A cache folder that cannot be written is no reason to stop."""
        if not self._is_new or self._study is None:
            return
        try:
            content, numbers = encode(self._study)
        except NotPlainError:
            content, numbers = {}, np.empty(0)
        by_name = {recording.name: recording for recording in self._study.recordings}
        kept = {**self._stored.get("examined", {})}
        for name, examination in self._examinations.items():
            kept[name] = [*_file_state(by_name[name].path), self._labels_key(by_name[name]), *_plain(examination)]
        values = {"version": _version(), "state": self.state, "study": content, "examined": kept}
        archive = io.BytesIO()
        text = np.frombuffer(json.dumps(values).encode(), np.uint8)
        np.savez(archive, values=text, numbers=numbers)
        with suppress(OSError, KdkitError):
            self._file().parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file()) as partial_file:
                partial_file.write_bytes(archive.getvalue())
            self._stored, self._is_new = values, False

    def _file(self) -> Path:
        key = "\0".join([str(self.path.resolve()), self.layout, os.environ.get(VIDEO_DIR, "")])
        name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
        return platformdirs.user_cache_path("kdkit") / "recordings" / f"{name}.npz"

    def _read(self) -> tuple[dict[str, Any], np.ndarray]:
        with suppress(*_DAMAGED), np.load(self._file(), allow_pickle=False) as archive:
            values = json.loads(archive["values"].tobytes())
            if values["version"] == _version():
                return values, archive["numbers"]
        return {}, np.empty(0)

    def _remembered_study(self, numbers: np.ndarray) -> Study | None:
        if self._stored.get("state") == self.state and self._stored.get("study"):
            with suppress(*_DAMAGED):
                return decode(self.path, self._stored["study"], numbers)
        return None

    def _remembered(self, recording: Recording) -> Examination | None:
        """What is stored of a recording whose file has not been touched since."""
        with suppress(*_DAMAGED):
            size, modified, labels, defects, facts, digest = self._stored["examined"][recording.name]
            if [size, modified] == _file_state(recording.path) and labels == self._labels_key(recording):
                return Examination([Defect(*d) for d in defects], ClipFacts(*facts) if facts else None, digest)
        return None

    def _remembered_by_content(self, recording: Recording) -> Examination | None:
        """What is stored of a recording whose file was touched, where its bytes are the same."""
        with suppress(*_DAMAGED):
            _, _, labels, defects, facts, digest = self._stored["examined"][recording.name]
            if digest and labels == self._labels_key(recording) and digest == file_digest(recording.path):
                return Examination([Defect(*d) for d in defects], ClipFacts(*facts) if facts else None, digest)
        return None

    def _labels_key(self, recording: Recording) -> str:
        """Of what lies in several files nothing is known but the state of the whole folder."""
        if not is_plain(recording):
            return self.state
        contours = recording.labels.contours
        facts = [recording.declared_frames, recording.declared_size, recording.labels.ed, recording.labels.es]
        frames = [contour.frame for contour in contours]
        return hashlib.sha256(json.dumps([facts, frames]).encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def remember(path: Path, layout: str, state: str) -> FolderMemory:
    """The memory of a folder in this state, shared within a process."""
    return FolderMemory(path, layout, state)


def _examine_all(recordings: Sequence[Recording]) -> Iterator[tuple[str, Examination]]:
    """Each recording's name and examination, as they come."""
    workers = usable_cores()
    if workers == 1 or len(recordings) < FEWEST_FOR_PROCESSES:
        yield from ((recording.name, examine(recording)) for recording in recordings)
        return
    batches = ((recordings[i : i + _BATCH],) for i in range(0, len(recordings), _BATCH))
    for results in map_in_processes(_examine_batch, batches, workers):
        yield from results


def _examine_batch(recordings: Iterable[Recording]) -> list[tuple[str, Examination]]:
    return [(recording.name, examine(recording)) for recording in recordings]


def _plain(examination: Examination) -> list[Any]:
    facts = examination.facts and list(astuple(examination.facts))
    return [[list(asdict(defect).values()) for defect in examination.defects], facts, examination.digest]


def _file_state(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


@lru_cache(maxsize=1)
def _version() -> str:
    """What the code that reads recordings is known by: another may see other defects."""
    package = Path(__file__).parents[1]
    files = sorted(file for part in _CODE for file in (package / part).glob("*.py"))
    states = [[file.name, *_file_state(file)] for file in files]
    return f"{FORMAT} {hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]}"
