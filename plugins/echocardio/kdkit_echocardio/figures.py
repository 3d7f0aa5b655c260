"""The pictures of the report: selected cases, with every model and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kdkit import Case, Figure

from .animation import animation
from .annotations import annotators_caption, annotators_picture, shared_frames
from .curves import CONTROL, area_figure
from .drawing import FAINT, INK, blank, colour_of, enlarged, outline, png, write, write_parts
from .events import is_stills, rate_of, shown_beat, true_mask
from .geometry import binarize
from .phase import area_rows, phase_caption, phase_figure, true_beats

_TILE, _HEAD, _MARGIN = 224, 26, 6
_STUDENT = "student"


def figures(cases: Sequence[Case]) -> Iterator[Figure]:
    """For each case its ED and ES frames, its area curves and its beats; more of some cases.

    Where several people annotated a frame, their outlines and consensus; of the median case the beating heart.
    """
    for case in cases:
        title = f"{case.rank.capitalize()} case: {case.sample.info.get('name', 'unnamed clip')}"
        yield Figure(f"{title}, end-diastole and end-systole", _strip_caption(case), "image/png", strip(case))
        for frame, masks in shared_frames(case.sample).items():
            picture = annotators_picture(case.sample.inputs[frame], masks, _students(case, frame))
            yield Figure(f"{title}, annotators of frame {frame}", annotators_caption(masks), "image/png", picture)
        if is_stills(case.sample):
            continue
        yield Figure(f"{title}, area over time", _curve_caption(case), "image/svg+xml", area_figure(case))
        beats, rows = true_beats(case), area_rows(case)
        if beats and rows:
            fps = rate_of(case.sample)
            caption = phase_caption(rows, beats, fps)
            yield Figure(f"{title}, beats", caption, "image/svg+xml", phase_figure(rows, beats, fps))
        if case.rank == "median" and _STUDENT in case.predictions:
            caption = (
                "The clip as the models receive it, and with the student's contour. It plays at the clip's own "
                f"speed: {len(case.sample.inputs)} frames at {rate_of(case.sample):.0f} frames per second."
            )
            yield Figure(f"{title}, beating", caption, "image/webp", animation(case, _STUDENT))


def _students(case: Case, frame: int) -> np.ndarray | None:
    return case.predictions[_STUDENT][frame] if _STUDENT in case.predictions else None


def strip(case: Case) -> bytes:
    """ED above ES; the plain frame, then each model's contour with the truth's: PNG."""
    names = list(case.predictions)
    page = blank(_HEAD + 2 * (_TILE + _MARGIN), (1 + len(names)) * (_TILE + _MARGIN) - _MARGIN)
    write(page, 4, 5, "as the models see it", INK)
    for column, name in enumerate(names, 1):
        parts = [(name, colour_of(name))]
        if "mask" in case.sample.truth:
            parts += [("   truth", colour_of("truth"))]
        write_parts(page, column * (_TILE + _MARGIN) + 4, 5, parts)
    for row, (phase, frame) in enumerate(
        zip(("ED", "ES"), shown_beat(case.sample, _all_predictions(case)), strict=True)
    ):
        for column, name in enumerate(["", *names]):
            top, left = _HEAD + row * (_TILE + _MARGIN), column * (_TILE + _MARGIN)
            page[top : top + _TILE, left : left + _TILE] = _tile(case, phase, frame, name)
    return png(page)


def _tile(case: Case, phase: str, frame: int, name: str) -> np.ndarray:
    """One frame: plain without a name, else with that model's contour and the truth's."""
    picture = enlarged(case.sample.inputs[frame], _TILE, _TILE)
    if not name:
        write(picture, 5, 3, f"{phase}  frame {frame}", FAINT, 13)
        return picture
    mask = true_mask(case.sample, frame)
    prediction = case.predictions[name][frame]
    if mask is not None:
        outline(picture, mask, colour_of("truth"), thickness=0, fill=0.4)
        write(picture, 5, 3, f"DICE {_dice(prediction, mask):.2f}", FAINT, 13)
    outline(picture, prediction, colour_of(name))
    return picture


def _dice(prediction: np.ndarray, mask: np.ndarray) -> float:
    predicted, true = binarize(prediction), mask.astype(bool)
    total = int(predicted.sum() + true.sum())
    return 2.0 * int((predicted & true).sum()) / total if total else 1.0


def _all_predictions(case: Case) -> list[np.ndarray]:
    return list(case.predictions.values())


def _strip_caption(case: Case) -> str:
    ed, es = shown_beat(case.sample, _all_predictions(case))
    rate = rate_of(case.sample)
    text = "Above end-diastole, below end-systole. "
    if not is_stills(case.sample):
        text = (
            f"Above end-diastole (frame {ed}, {ed / rate:.2f} s), below end-systole (frame {es}, {es / rate:.2f} s). "
        )
    text += "Lines: each model's contour of the left ventricle"
    if "mask" in case.sample.truth:
        text += "; shaded: the true ventricle. DICE is of that frame alone"
    return f"{text}. Score of the student on the whole clip: {case.score:.3f}."


def _curve_caption(case: Case) -> str:
    text = "Area of the left ventricle in each frame, as each model draws it"
    if "mask" in case.sample.truth:
        text += ", and as it is (thick)"
    if "ed" in case.sample.truth:
        text += "; dotted: the true end-diastolic (ED) and end-systolic (ES) frames"
    if "ejection_fraction" in case.sample.truth:
        text += f". True ejection fraction: {float(case.sample.truth['ejection_fraction']):.0f} %"
    if CONTROL in case.predictions:
        text += ". The axis fits the other curves; the control may leave it"
    return f"{text}."
