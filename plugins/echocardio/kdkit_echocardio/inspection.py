"""What is in a folder of recordings, told to its owner before anything is run with it."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from kdkit import Figure, Inspection, Progress, Table

from .clips import Clip
from .geometry import agreement, polygon_mask
from .recorded import Recordings
from .recordings import Contour, Recording, Study, inspect, open_study
from .recordings.sample import sample_of
from .sheet import contact_sheet

SHOWN = 9


@dataclass(frozen=True)
class Seen:
    """What is remembered of a clip that was decoded."""

    frames: int
    height: int
    width: int
    fps: float | None
    spacing_mm: float | None


def inspection(path: Path, layout: str, progress: Progress) -> Inspection:
    """Read every recording in ``path`` once and say what was found; see :meth:`kdkit.Domain.check_data`."""
    study, others = _of_the_view_in_use(open_study(path, layout))
    seen: dict[str, Seen] = {}
    watched = replace(study, recordings=[_watched(recording, seen) for recording in study.recordings])
    with progress.work("check", study.layout, len(study.recordings), "recordings") as bar:
        checked = inspect(watched, lambda done, total: bar.advance())
    used = checked.recordings
    clips = [seen[recording.name] for recording in used if recording.name in seen]
    return Inspection(
        used=len(used),
        facts={"layout": checked.layout} | ({"other views": others} if others else {}),
        tables=[_by_split(used), _ranges(clips), _frame_sizes(clips), *_annotators(used, seen)],
        defects=checked.defects,
        pictures=_pictures(used),
    )


def _of_the_view_in_use(study: Study) -> tuple[Study, int]:
    """The study without recordings of another view than a run takes by default, and how many these are."""
    view = Recordings.Options.model_fields["view"].default
    kept = [recording for recording in study.recordings if recording.view in (None, view)]
    return replace(study, recordings=kept), len(study.recordings) - len(kept)


def _watched(recording: Recording, seen: dict[str, Seen]) -> Recording:
    """The recording, which notes what its clip is like when it is decoded: so nothing is decoded twice."""

    def load() -> Clip:
        clip = recording.load()
        frames, height, width = clip.frames.shape
        seen[recording.name] = Seen(frames, height, width, clip.fps, clip.spacing_mm)
        return clip

    return replace(recording, load=load)


def _pictures(recordings: Sequence[Recording]) -> list[Figure]:
    """A contact sheet of recordings from all over the folder, fitted as a network sees them; none without any."""
    chosen = recordings[:: max(1, len(recordings) // SHOWN)][:SHOWN]
    if not chosen:
        return []
    png = io.BytesIO()
    Image.fromarray(contact_sheet([sample_of(recording) for recording in chosen])).save(png, "PNG", optimize=True)
    caption = "End-diastole and end-systole as a network sees them, plain and with the human contour."
    return [Figure("Some of the recordings", caption, "image/png", png.getvalue())]


def _by_split(recordings: Sequence[Recording]) -> Table:
    """How many recordings each part of the data has, and what is known of them."""
    splits = sorted({recording.split or "–" for recording in recordings})
    rows = [_row(split, [r for r in recordings if (r.split or "–") == split]) for split in splits]
    if len(rows) > 1:
        rows.append(_row("all", recordings))
    return Table("What a run would use", ("split", "recordings", "patients", "with masks", "with EF"), rows)


def _row(split: str, recordings: Sequence[Recording]) -> list[str | int]:
    return [
        split,
        len(recordings),
        len({recording.patient for recording in recordings}),
        sum(bool(recording.labels.contours) for recording in recordings),
        sum(recording.labels.ejection_fraction is not None for recording in recordings),
    ]


def _annotators(recordings: Sequence[Recording], seen: Mapping[str, Seen]) -> list[Table]:
    """How far people agree on the frames that several of them outlined; nothing where there is no such frame."""
    found = [
        agreement(masks)
        for recording in recordings
        if recording.name in seen
        for masks in _several(recording.labels.contours, seen[recording.name])
    ]
    if not found:
        return []
    rows = [
        ["DICE of two of them, mean", *_range(each.dice for each in found)],
        ["lowest sensitivity (STAPLE)", *_range(_least(each.sensitivity) for each in found)],
    ]
    title = f"Frames that several annotators outlined: {len(found)}"
    return [Table(title, ("", "least", "median", "most"), [row[:-1] for row in rows])]


def _least(rates: np.ndarray) -> float | None:
    """The lowest of the rates that are known; None without any: of an empty consensus nothing can be found."""
    return min((float(rate) for rate in rates if not np.isnan(rate)), default=None)


def _several(contours: Sequence[Contour], clip: Seen) -> Iterator[np.ndarray]:
    """The masks, bool (K, H, W), of each frame that has more than one contour."""
    by_frame: dict[int, list[np.ndarray]] = defaultdict(list)
    for contour in contours:
        if contour.mask is not None:
            by_frame[contour.frame].append(contour.mask)
        elif contour.points is not None:
            by_frame[contour.frame].append(polygon_mask(contour.points, (clip.height, clip.width)))
    yield from (np.stack(masks) for masks in by_frame.values() if len(masks) > 1)


def _ranges(clips: Sequence[Seen]) -> Table:
    """The least, the median and the most of what can be counted; how many say nothing of it."""
    columns = ("", "least", "median", "most", "unknown")
    return Table(
        "What they are like",
        columns,
        [
            ["frames", *_range(clip.frames for clip in clips)],
            ["frames a second", *_range(clip.fps for clip in clips)],
            ["height, pixels", *_range(clip.height for clip in clips)],
            ["width, pixels", *_range(clip.width for clip in clips)],
            ["mm in a pixel", *_range(clip.spacing_mm for clip in clips)],
        ],
    )


def _range(values: Iterable[float | None]) -> list[float | None]:
    every = list(values)
    known = [value for value in every if value is not None]
    unknown = len(every) - len(known)
    return [min(known), median(known), max(known), unknown] if known else [None, None, None, unknown]


def _frame_sizes(clips: Sequence[Seen]) -> Table:
    """The commonest frame sizes."""
    counts = Counter(f"{clip.width}x{clip.height}" for clip in clips).most_common(5)
    others = len(clips) - sum(count for _, count in counts)
    rows: list[list[str | int]] = [[size, count] for size, count in counts]
    return Table("Frame sizes", ("size", "recordings"), [*rows, ["others", others]] if others else rows)
