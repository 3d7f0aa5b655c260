"""A tiny folder of labelled recordings, to try things out with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .clips.encode import write_mp4
from .phantom import simulate

CLIPS, FRAMES = 3, 8
_COLUMNS = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"


def write_clips(folder: Path) -> Path:
    """Simulated clips as plain video files, eight of them: enough for a run in miniature."""
    folder.mkdir(parents=True)
    for number in range(8):
        clip = simulate(np.random.default_rng(number), frames=FRAMES)
        write_mp4(folder / f"clip{number}.mp4", np.repeat(clip.frames[..., None], 3, axis=-1), clip.fps)
    return folder


def write_echonet(folder: Path, annotators: int = 1, clips: int = CLIPS) -> Path:
    """Simulated clips in EchoNet-Dynamic's layout: index, tracings of ED and ES as chords, and one cut-off video.

    ``clips``: how many are whole. The first annotator traces the truth, others what :func:`another_hand` makes of it.
    """
    (folder / "Videos").mkdir(parents=True)
    rows, tracings = [_COLUMNS], ["FileName,X1,Y1,X2,Y2,Frame"]
    for number in range(clips):
        name = f"0X{number:016X}"
        clip = simulate(np.random.default_rng(100 + number), frames=FRAMES)  # other hearts than elsewhere
        video = folder / "Videos" / f"{name}.avi"
        write_mp4(video.with_suffix(".mp4"), np.repeat(clip.frames[..., None], 3, axis=-1), clip.fps)
        video.with_suffix(".mp4").rename(video)
        rows.append(f"{name},{clip.ejection_fraction:.3f},0,0,112,112,{clip.fps:.0f},{FRAMES},TEST")
        areas = clip.mask.sum((1, 2))
        for frame in (int(areas.argmax()), int(areas.argmin())):
            for annotator in range(annotators):
                second_mask = another_hand(clip.mask[frame], annotator)
                tracings += [f"{name}.avi,{chord},{frame}" for chord in _chords(second_mask)]
    video_bytes = (folder / "Videos" / f"0X{0:016X}.avi").read_bytes()
    name = f"0X{clips:016X}"
    (folder / "Videos" / f"{name}.avi").write_bytes(video_bytes[:200])
    rows.append(f"{name},50,0,0,112,112,20,{FRAMES},TEST")
    tracings += [line.replace(f"0X{clips - 1:016X}", name) for line in tracings if f"0X{clips - 1:016X}" in line]
    (folder / "FileList.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "VolumeTracings.csv").write_text("\n".join(tracings) + "\n", encoding="utf-8")
    return folder


def another_hand(mask: np.ndarray, number: int) -> np.ndarray:
    """A mask (H, W) as annotator ``number`` might have drawn it: bool, itself for 0.

    Others shift it by up to two pixels; odd ones draw it a pixel larger all around, even ones a pixel smaller.
    """
    if number == 0:
        return mask.astype(bool)
    change = cv2.dilate if number % 2 else cv2.erode
    down, right = np.random.default_rng(number).integers(-2, 3, 2)
    move = np.array([[1, 0, right], [0, 1, down]], np.float64)
    changed = change(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    return cv2.warpAffine(changed, move, mask.shape[::-1], flags=cv2.INTER_NEAREST).astype(bool)


def _chords(mask: np.ndarray) -> list[str]:
    """The long axis and 20 horizontal chords, "x1,y1,x2,y2" each: a simulated ventricle stands nearly upright."""
    rows = np.flatnonzero(mask.any(1))
    heights = np.linspace(rows[0], rows[-1], 20).round().astype(int)
    ends = [(np.flatnonzero(mask[row])[[0, -1]], row) for row in heights]
    (top, first), (bottom, last) = ends[0], ends[-1]
    axis = f"{top.mean():.2f},{first},{bottom.mean():.2f},{last}"
    return [axis, *(f"{x[0]},{row},{x[1]},{row}" for x, row in ends)]
