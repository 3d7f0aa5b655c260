"""A report on a folder of recordings, before a run uses it."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from kdkit import Figure, Inspection, Progress, Table

from .geometry import agreement, polygon_mask
from .recorded import Recordings
from .recordings import Contour, Recording, Study
from .recordings.inspection import ClipFacts, apply_examinations
from .recordings.memory import remember
from .recordings.sample import sample_of
from .recordings.selection import state_of
from .sheet import contact_sheet

SHEET_RECORDINGS = 9


def inspection(path: Path, layout: str, progress: Progress) -> Inspection:
    """Read every recording in ``path`` once and report on it; see :meth:`kdkit.Domain.check_data`."""
    with progress.work("check", "index", 1, "folder") as bar:
        memory = remember(path, layout, state_of(path))
        study, others = _of_the_view_in_use(memory.study())
        bar.advance()
    examinations = memory.examine(study.recordings, progress)
    inspected = apply_examinations(study, examinations)
    recordings = inspected.recordings
    facts = {name: examination.facts for name, examination in examinations.items() if examination.facts}
    clips = [facts[recording.name] for recording in recordings if recording.name in facts]
    return Inspection(
        used=len(recordings),
        facts={"layout": inspected.layout} | ({"other views": others} if others else {}),
        tables=[_by_split(recordings), _ranges(clips), _frame_sizes(clips), *_annotators(recordings, facts)],
        defects=inspected.defects,
        pictures=_pictures(recordings),
    )


def _of_the_view_in_use(study: Study) -> tuple[Study, int]:
    """The study without recordings of another view than a run takes by default, and how many these are."""
    view = Recordings.Options.model_fields["view"].default
    recordings = [recording for recording in study.recordings if recording.view in (None, view)]
    return replace(study, recordings=recordings), len(study.recordings) - len(recordings)


def _pictures(recordings: Sequence[Recording]) -> list[Figure]:
    """A contact sheet of recordings from all over the folder, fitted as a network sees them; none without any."""
    examples = recordings[:: max(1, len(recordings) // SHEET_RECORDINGS)][:SHEET_RECORDINGS]
    if not examples:
        return []
    png = io.BytesIO()
    Image.fromarray(contact_sheet([sample_of(recording) for recording in examples])).save(png, "PNG")
    caption = "End-diastole and end-systole as a network sees them, plain and with the human contour."
    return [Figure("Some of the recordings", caption, "image/png", png.getvalue())]


def _by_split(recordings: Sequence[Recording]) -> Table:
    """How many recordings each split has, and how many of them have labels."""
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


def _annotators(recordings: Sequence[Recording], facts: Mapping[str, ClipFacts]) -> list[Table]:
    """How far people agree on the frames that several of them outlined; nothing where there is no such frame."""
    agreements = [
        agreement(masks)
        for recording in recordings
        if recording.name in facts
        for masks in _annotator_masks(recording.labels.contours, facts[recording.name])
    ]
    if not agreements:
        return []
    rows = [
        ["DICE of two of them, mean", *_range(agreed.dice for agreed in agreements)],
        ["lowest sensitivity (STAPLE)", *_range(_least(agreed.sensitivity) for agreed in agreements)],
    ]
    title = f"Frames that several annotators outlined: {len(agreements)}"
    return [Table(title, ("", "least", "median", "most"), [row[:-1] for row in rows])]


def _least(rates: np.ndarray) -> float | None:
    """The lowest rate that is not NaN; None without any, as an empty consensus has no rates."""
    return min((float(rate) for rate in rates if not np.isnan(rate)), default=None)


def _annotator_masks(contours: Sequence[Contour], clip: ClipFacts) -> Iterator[np.ndarray]:
    """The masks, bool (K, H, W), of each frame that has more than one contour."""
    by_frame: dict[int, list[Contour]] = defaultdict(list)
    for contour in contours:
        if contour.mask is not None or contour.points is not None:
            by_frame[contour.frame].append(contour)
    for drawn in by_frame.values():
        if len(drawn) > 1:
            yield np.stack([_mask_of(contour, clip) for contour in drawn])


def _mask_of(contour: Contour, clip: ClipFacts) -> np.ndarray:
    if contour.mask is not None or contour.points is None:
        return np.asarray(contour.mask)
    return polygon_mask(contour.points, (clip.height, clip.width))


def _ranges(clips: Sequence[ClipFacts]) -> Table:
    """Minimum, median and maximum of the clips' numbers; how many clips lack them."""
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
    entries = list(values)
    numbers = [entry for entry in entries if entry is not None]
    missing = len(entries) - len(numbers)
    return [min(numbers), median(numbers), max(numbers), missing] if numbers else [None, None, None, missing]


def _frame_sizes(clips: Sequence[ClipFacts]) -> Table:
    """The commonest frame sizes."""
    counts = Counter(f"{clip.width}x{clip.height}" for clip in clips).most_common(5)
    other_count = len(clips) - sum(count for _, count in counts)
    rows: list[list[str | int]] = [[size, count] for size, count in counts]
    return Table("Frame sizes", ("size", "recordings"), [*rows, ["others", other_count]] if other_count else rows)
