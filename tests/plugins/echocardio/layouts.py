"""Small folders of each layout, with made-up hearts."""

from pathlib import Path

import cv2
import numpy as np
from opencv import silence_opencv

SIZE = 112


CAVITY = 20
"""The level of the disc of :func:`beat`."""


def beat(frames=12, height=SIZE, width=SIZE, level=200):
    """A dark disc that beats once in a bright sector: largest in frame 0, smallest in the middle. uint8 (T, H, W)."""
    rows, columns = np.mgrid[:height, :width]
    radius = min(height, width) * (0.22 + 0.06 * np.cos(2 * np.pi * np.arange(frames) / frames))
    distance = np.hypot(rows - height / 2, columns - width / 2)
    # Tissue of as many levels as there are rows and columns: a level that many pixels share is a saturated one.
    tissue = level - 40 + (rows * 7 + columns * 3) % 41
    sector = np.abs(columns - width / 2) < 0.2 * width + 0.6 * rows
    return np.where(distance < radius[:, None, None], CAVITY, np.where(sector, tissue, 0)).astype(np.uint8)


def is_cavity(frames):
    """Where the disc of :func:`beat` is, compressed or not: bool, of any shape."""
    return np.abs(frames.astype(int) - CAVITY) < 10


def write_avi(path, frames, fps=50.0, tint=(1.0, 1.0, 1.0)):
    """``frames`` uint8 (T, H, W) as Motion JPEG, blue, green and red multiplied by ``tint``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with silence_opencv():
        code = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, frames.shape[:0:-1])
        assert writer.isOpened()
        for frame in frames:
            writer.write((frame[..., None] * np.array(tint)).clip(0, 255).astype(np.uint8))
        writer.release()
    return path


def tracing(centre=(56.0, 56.0), length=60.0, width=30.0, chords=20):
    """EchoNet-Dynamic's rows of one ellipse: the long axis, then chords from apex to base. Float (chords + 1, 4)."""
    x, y = centre
    along = (np.arange(chords) + 0.5) / chords * 2 - 1
    half = width / 2 * np.sqrt(1 - along**2)
    rows = np.stack([x - half, y + along * length / 2, x + half, y + along * length / 2], 1)
    return np.vstack([[x, y - length / 2, x, y + length / 2], rows])


class EchoNet:
    """An EchoNet-Dynamic folder that grows row by row."""

    def __init__(self, path: Path, videos: Path | None = None):
        self.path, self.videos = path, videos or path / "Videos"
        for folder in (self.path, self.videos):
            folder.mkdir(parents=True, exist_ok=True)
        self.rows = ["FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"]
        self.traced = ["FileName,X1,Y1,X2,Y2,Frame"]

    def add(self, name, tracings=None, ef="50", esv="50", edv="100", frames=12, split="TEST", video=True, **more):
        """A row, its video and its ``tracings``, (frame, rows) each; by default ED at frame 0 and ES at frame 6."""
        size = more.get("size", SIZE)
        self.rows.append(
            f"{name},{ef},{esv},{edv},{more.get('height', SIZE)},{SIZE},50,{more.get('declared', frames)},{split}"
        )
        if video:
            write_avi(self.videos / f"{name}.avi", beat(frames, size, size), tint=more.get("tint", (1, 1, 1)))
        for frame, rows in [(0, tracing()), (6, tracing(width=20.0))] if tracings is None else tracings:
            self.trace(name, frame, rows)
        return self

    def trace(self, name, frame, rows):
        self.traced += [f"{name}.avi,{','.join(f'{value:.4f}' for value in row)},{frame}" for row in rows]
        return self

    def write(self):
        (self.path / "FileList.csv").write_text("\n".join(self.rows) + "\n", encoding="utf-8")
        (self.path / "VolumeTracings.csv").write_text("\n".join(self.traced) + "\n", encoding="utf-8")
        return self.path
