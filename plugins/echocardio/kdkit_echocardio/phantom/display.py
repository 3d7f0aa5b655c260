"""From envelope to picture: log compression, persistence, vendor curve, scan conversion, marks outside the sector."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .view import View


@dataclass(frozen=True)
class Display:
    """Settings of the scanner's picture: dB window, curve and filters."""

    white_percentile: float
    dynamic_range: float
    visible_percent: float
    """At least this share of the sector is brighter than black."""
    gamma: float
    curve: float
    smoothing: float
    despeckling: float
    """Share of an edge-preserving filter: 0 to 1."""
    sharpening: float
    persistence: float
    """Time constant in seconds."""
    final_blur: float
    offset: int
    noise: float
    marks: tuple[tuple[float, float, float, float, int], ...]


def draw_display(rng: np.random.Generator) -> Display:
    """Draw a display: gain set by the brightest echoes, as a sonographer would, and a range of 31 to 66 dB."""
    marks = []
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 14))):
            left = rng.uniform(0.0, 0.18) if rng.random() < 0.5 else rng.uniform(0.82, 0.95)
            mark = (
                left,
                rng.uniform(0.0, 0.97),
                rng.uniform(0.01, 0.09),
                rng.uniform(0.008, 0.03),
                int(rng.integers(40, 220)),
            )
            marks.append(mark)
    return Display(
        white_percentile=rng.uniform(96.0, 99.95),
        dynamic_range=rng.uniform(31.0, 66.0),
        visible_percent=rng.uniform(20.0, 55.0),
        gamma=float(np.exp(rng.normal(0.12, 0.25))),
        curve=rng.uniform(0.0, 0.7),
        smoothing=rng.uniform(0.5, 1.5),
        despeckling=rng.uniform(0.2, 1.0) if rng.random() < 0.4 else 0.0,
        sharpening=rng.uniform(0.2, 1.2) if rng.random() < 0.3 else 0.0,
        persistence=rng.uniform(0.01, 0.07) if rng.random() < 0.6 else 0.0,
        final_blur=rng.uniform(0.3, 0.9) if rng.random() < 0.35 else 0.0,
        offset=int(rng.integers(1, 14)) if rng.random() < 0.06 else 0,
        noise=rng.uniform(0.0, 8.0) if rng.random() < 0.4 else 0.0,
        marks=tuple(marks),
    )


class Monitor:
    """Shows the envelopes of one clip in order."""

    def __init__(self, rng: np.random.Generator, display: Display, view: View, fps: float, size: int) -> None:
        self.rng, self.display, self.size = rng, display, size
        self.line, self.sample, self.inside = view.scan_map(size)
        self.memory: np.ndarray | None = None
        self.white = self.black = 0.0
        self.keep = float(np.exp(-1.0 / (fps * display.persistence))) if display.persistence > 0 else 0.0
        self.warm_up = min(5, round(self.keep / (1.0 - self.keep)))
        """Envelopes of the first frame to show beforehand, so that persistence has settled when the clip begins."""
        # Anti-aliased edge of the sector, then nothing outside.
        self.edge = (
            cv2.blur(self.inside.astype(np.float32), (2, 2)) if rng.random() < 0.5 else self.inside.astype(np.float32)
        )

    def show(self, envelope: np.ndarray) -> np.ndarray:
        """Grey picture of one envelope (float32, SAMPLES x LINES): uint8 (size, size)."""
        display = self.display
        decibel = cv2.log(envelope + np.float32(1e-6)) * np.float32(20.0 / np.log(10.0))
        if self.memory is None:
            self.white, visible_level = (
                float(p) for p in np.percentile(decibel, (display.white_percentile, 100.0 - display.visible_percent))
            )
            self.black = min(self.white - display.dynamic_range, visible_level)
        grey = np.clip((decibel - np.float32(self.black)) / np.float32(self.white - self.black), 0.0, 1.15)
        if self.memory is not None:
            grey = grey + np.float32(self.keep) * (self.memory - grey)
        self.memory = grey
        grey = cv2.GaussianBlur(grey, (0, 0), display.smoothing)
        picture = cv2.remap(grey, self.line, self.sample, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if display.despeckling > 0:
            calm = cv2.bilateralFilter(picture, 5, 0.2, 1.6)
            picture = picture + np.float32(display.despeckling) * (calm - picture)
        if display.sharpening > 0:
            picture = picture + np.float32(display.sharpening) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2))
        if display.final_blur > 0:
            picture = cv2.GaussianBlur(picture, (0, 0), display.final_blur)
        picture = np.clip(picture, 0.0, 1.0)
        picture = cv2.pow(picture, display.gamma)
        # An S-shaped vendor curve, blended in.
        picture = picture + np.float32(display.curve) * (picture * picture * (3.0 - 2.0 * picture) - picture)
        picture = picture * 255.0 * self.edge
        if display.noise > 0:
            grain = self.rng.standard_normal(picture.shape, dtype=np.float32)
            picture = picture + np.float32(display.noise) * grain * self.edge
        for left, top, width, height, value in display.marks:
            column, row = int(left * self.size), int(top * self.size)
            right, bottom = column + max(1, int(width * self.size)), row + max(1, int(height * self.size))
            window = (slice(row, bottom), slice(column, right))
            picture[window] = np.where(self.inside[window], picture[window], np.float32(value))
        return np.asarray(np.clip(np.rint(picture + display.offset), 0, 255), dtype=np.uint8)
