"""Looking at every picture of a study, as a run would."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kdkit import DataError, Defect, file_digest

from ..clips import Clip, StillError
from ..clips.plausibility import find_flags
from ..flags import FLAGS, UNUSABLE
from .picture import LabelMapError, in_words, label_values
from .recording import Contour, Recording, Study


@dataclass(frozen=True)
class ClipFacts:
    """The facts of a decoded clip: ``height`` and ``width`` in pixels, ``fps`` in frames per second."""

    frames: int
    height: int
    width: int
    fps: float | None
    spacing_mm: float | None


@dataclass(frozen=True)
class Examination:
    """What decoding a recording showed; ``facts``: None where it cannot be decoded.

    ``digest``: the SHA-256 of its file's content, empty where that cannot be read.
    """

    defects: Sequence[Defect]
    facts: ClipFacts | None
    digest: str = ""

    @property
    def fault(self) -> Defect | None:
        """The defect for which a run leaves the recording out; None for one that it uses."""
        return next((defect for defect in self.defects if defect.dropped), None)


def inspect(study: Study) -> Study:
    """The study with every recording decoded and its labels read: fewer recordings, more defects."""
    return apply_examinations(study, {recording.name: examine(recording) for recording in study.recordings})


def apply_examinations(study: Study, examinations: Mapping[str, Examination]) -> Study:
    """The study without the recordings that a run leaves out, and with every defect that was found."""
    usable = [recording for recording in study.recordings if examinations[recording.name].fault is None]
    found = [defect for recording in study.recordings for defect in examinations[recording.name].defects]
    # The study's folder is known; a report that is handed on says nothing of this machine's.
    prefix = f"{study.path}{os.sep}"
    defects = [replace(defect, detail=defect.detail.replace(prefix, "")) for defect in (*study.defects, *found)]
    return replace(study, recordings=usable, defects=defects)


def examine(recording: Recording) -> Examination:
    """Decode a recording and read its labels."""
    try:
        clip = recording.load()
        defects = list(defects_of(recording, clip))
    except DataError as error:
        return Examination([_undecodable(recording, error)], None, _digest(recording.path))
    height, width = clip.frames.shape[1:]
    facts = ClipFacts(len(clip.frames), height, width, clip.fps, clip.spacing_mm)
    return Examination(defects, facts, _digest(recording.path))


def load_usable(recording: Recording) -> Recording:
    """The recording, decoded. Raises :class:`kdkit.DataError` where a run would leave it out, with the reason."""
    clip = recording.load()
    for defect in defects_of(recording, clip):
        if defect.dropped:
            raise DataError(f"{recording.path.name}: {defect.detail}")
    return replace(recording, load=lambda: clip)


def _undecodable(recording: Recording, error: DataError) -> Defect:
    kinds = {LabelMapError: "label-map", StillError: "still-image"}
    kind = kinds.get(type(error), "undecodable")
    return Defect(kind, recording.name, _without(error.line, recording.path), True)


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""


def defects_of(recording: Recording, clip: Clip) -> Iterator[Defect]:
    """The defects of a recording that show only when it is decoded.

    Raises :class:`kdkit.DataError` where labels that lie in files of their own cannot be read.
    """
    name, contours = recording.name, list(recording.labels.contours)
    yield from _frame_defects(recording, len(clip.frames), contours)
    height, width = clip.frames.shape[1:]
    if recording.declared_size and recording.declared_size != (height, width):
        declared_pixels = "x".join(map(str, recording.declared_size[::-1]))
        yield Defect("wrong-size", name, f"{width}x{height} pixels; its labels are drawn in {declared_pixels}", True)
    shapes = {contour.mask.shape for contour in contours if contour.mask is not None}
    if shapes - {(height, width)}:
        mask_sizes = " and ".join(f"{w}x{h}" for h, w in sorted(shapes))
        yield Defect("wrong-size", name, f"{width}x{height} pixels, but masks of {mask_sizes}", True)
    if any(contour.mask is not None and not contour.mask.any() for contour in contours):
        yield Defect("empty-mask", name, "a mask shows no left ventricle", False)
    labelled = {contour.directions for contour in contours if contour.directions is not None}
    if clip.directions is not None and labelled - {clip.directions}:
        detail = "by their headers picture and labels are mirrored to each other; both are read as they are stored"
        yield Defect("mirrored-labels", name, detail, False)
    values = label_values(clip.frames)
    if values is not None:
        yield Defect("label-map", name, f"its only values are {in_words(values)}, in areas, as of labels", True)
        return
    for flag in find_flags(clip):
        yield Defect(flag, name, FLAGS[flag], flag in UNUSABLE)


def _frame_defects(recording: Recording, count: int, contours: Sequence[Contour]) -> Iterator[Defect]:
    """The defects of an index and labels that do not fit a clip of ``count`` frames."""
    declared, labels = recording.declared_frames, recording.labels
    if declared is not None and declared != count:
        detail = f"{count} frames, but the index says {declared}"
        yield Defect("frame-count-disagrees", recording.name, detail, False)
    events = {frame for frame in (labels.ed, labels.es) if frame is not None}
    frames_beyond = sorted(frame for frame in events | {contour.frame for contour in contours} if frame >= count)
    if frames_beyond:
        detail = f"labels of frame {', '.join(map(str, frames_beyond))}, but frames 0 to {count - 1}"
        yield Defect("frame-out-of-range", recording.name, detail, bool(events & set(frames_beyond)))


def _without(message: str, path: Path) -> str:
    """The message with the file's name alone, as the study's folder is known."""
    return message.replace(str(path), path.name)
