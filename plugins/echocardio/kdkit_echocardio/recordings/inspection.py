"""Looking at every picture of a study, as a run would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kdkit import DataError, Defect

from ..clips import StillError
from ..clips.plausibility import find_flags
from ..flags import FLAGS, UNUSABLE
from .picture import LabelMapError, in_words, label_values
from .recording import Contour, Recording, Study


def inspect(study: Study, progress: Callable[[int, int], None] | None = None) -> Study:
    """The study with every recording decoded and its labels read: fewer recordings, more defects.

    A run leaves out the same ones. ``progress(done, all)`` is called after each recording; one clip is in memory at a
    time.
    """
    usable: list[Recording] = []
    defects = list(study.defects)
    for count, recording in enumerate(study.recordings, 1):
        recording_defects = list(defects_of(recording))
        defects += recording_defects
        if not any(defect.dropped for defect in recording_defects):
            usable.append(recording)
        if progress:
            progress(count, len(study.recordings))
    # The study's folder is known; a report that is handed on says nothing of this machine's.
    details = [defect.detail.replace(f"{study.path}{os.sep}", "") for defect in defects]
    relative = [replace(defect, detail=detail) for defect, detail in zip(defects, details, strict=True)]
    return replace(study, recordings=usable, defects=relative)


def defects_of(recording: Recording) -> Iterator[Defect]:
    """The defects of a recording that show only when it is decoded."""
    name = recording.name
    try:
        clip = recording.load()
        contours = list(recording.labels.contours)
    except DataError as error:
        kinds = {LabelMapError: "label-map", StillError: "still-image"}
        yield Defect(kinds.get(type(error), "undecodable"), name, _without(error.line, recording.path), True)
        return
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
