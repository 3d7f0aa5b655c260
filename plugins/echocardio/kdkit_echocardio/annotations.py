"""What several annotators drew of one frame, how far they agree, and their consensus, as a picture."""

from __future__ import annotations

import cv2
import numpy as np

from kdkit import Sample

from .drawing import FAINT, INK, Colour, blank, colour_of, enlarged, outline, png, write, write_parts
from .geometry import agreement, staple

_TILE, _HEAD, _MARGIN = 224, 26, 6
# Of Okabe and Ito's palette (2008), those that no model and no truth has.
_HANDS: tuple[Colour, ...] = ((0, 158, 115), (240, 228, 66), (213, 94, 0), (0, 114, 178))


def shared_frames(sample: Sample) -> dict[int, np.ndarray]:
    """The frames that several people annotated, each with their masks, bool (K, H, W)."""
    if "mask" not in sample.truth:
        return {}
    masks, frames = (np.asarray(sample.truth[name]) for name in ("mask", "mask_frames"))
    shared = [int(frame) for frame in np.unique(frames) if (frames == frame).sum() > 1]
    return {frame: masks[frames == frame].astype(bool) for frame in shared}


def annotators_picture(frame: np.ndarray, masks: np.ndarray, student: np.ndarray | None = None) -> bytes:
    """A frame, uint8 (H, W), with the masks of its K annotators, bool (K, H, W): PNG of four tiles.

    The frame; every annotator's outline; how many marked each pixel; and the consensus by STAPLE, with the outline of
    a student's probability, (H, W), where one is given.
    """
    page = blank(_HEAD + _TILE, 4 * (_TILE + _MARGIN) - _MARGIN)
    tiles = [enlarged(frame, _TILE, _TILE) for _ in range(4)]
    for number, mask in enumerate(masks):
        outline(tiles[1], mask, _HANDS[number % len(_HANDS)])
    _tint(tiles[2], masks)
    outline(tiles[3], staple(masks).mask, colour_of("truth"), thickness=0, fill=0.4)
    if student is not None:
        outline(tiles[3], student, colour_of("student"))
    for column, tile in enumerate(tiles):
        left = column * (_TILE + _MARGIN)
        page[_HEAD:, left : left + _TILE] = tile
    hands = [(f"{number + 1}  ", _HANDS[number % len(_HANDS)]) for number in range(len(masks))]
    legend_end = [("consensus", colour_of("truth"))]
    legend_end += [("   student", colour_of("student"))] if student is not None else []
    for column, parts in enumerate(
        ([("as it is", INK)], [("annotators  ", INK), *hands], [("marked by", INK), *_scale(len(masks))], legend_end)
    ):
        write_parts(page, column * (_TILE + _MARGIN) + 4, 5, parts)
    write(page, 3 * (_TILE + _MARGIN) + 5, _HEAD + 3, f"DICE of two, mean {agreement(masks).dice:.2f}", FAINT, 13)
    return png(page)


def annotators_caption(masks: np.ndarray) -> str:
    """How far the annotators of a frame agree, from their masks, bool (K, H, W)."""
    agreed = agreement(masks)
    sensitivities = ", ".join(f"{rate:.2f}" for rate in agreed.sensitivity)
    specificities = ", ".join(f"{rate:.3f}" for rate in agreed.specificity)
    return (
        f"{len(masks)} people outlined this frame; the mean DICE of two of them is {agreed.dice:.3f}. Beside the "
        f"consensus (STAPLE) their sensitivities are {sensitivities}, their specificities {specificities}."
    )


def _tint(picture: np.ndarray, masks: np.ndarray) -> None:
    """Colour each pixel by how many annotators marked it; unmarked pixels stay as they are."""
    height, width = picture.shape[:2]
    votes = cv2.resize(masks.sum(0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    for count in range(1, len(masks) + 1):
        inside = votes == count
        picture[inside] = (0.4 * picture[inside] + 0.6 * np.array(_shade(count, len(masks)))).astype(np.uint8)


def _scale(count: int) -> list[tuple[str, Colour]]:
    return [(f"  {number}", _shade(number, count)) for number in range(1, count + 1)]


def _shade(count: int, of: int) -> Colour:
    """From violet for one annotator to yellow for all (the colour map viridis)."""
    level = np.array([[round(255 * (0.2 + 0.8 * (count - 1) / max(1, of - 1)))]], np.uint8)
    blue, green, red = cv2.applyColorMap(level, cv2.COLORMAP_VIRIDIS)[0, 0].tolist()
    return red, green, blue
