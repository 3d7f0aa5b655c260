"""The generator of simulated clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kdkit import ComponentOptions, Field, Generator, Sample

MOST_FRAMES = 1000


class Phantom(Generator):
    """Simulated apical four-chamber clips of a beating heart: uint8 (T, H, W), grey, 0..255.

    ``truth``: ``mask`` uint8 0/1 (T, H, W), the left-ventricular cavity; ``mask_frames`` int64 (T,), the frames that
    it belongs to (all of them); ``ed`` and ``es`` int64, every end-diastolic and end-systolic frame;
    ``ejection_fraction`` float64 (), percent.
    ``info``: ``name``, ``fps`` (frames per second) and ``spacing_mm`` (millimetres per pixel).
    """

    # The simulator's own: kdkit_echocardio.phantom.VERSION, which would have to be imported with OpenCV.
    version = "3.1"

    class Options(ComponentOptions):
        """What is simulated."""

        frames: int = Field(32, ge=2, le=MOST_FRAMES, description="Frames of each clip.")
        size: int = Field(112, ge=32, le=512, description="Height and width of each frame in pixels.")

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        """Yield the clips with these indices, each simulated from its own random stream."""
        from .phantom import simulate

        frames = self.options.frames
        for index in indices:
            # Clips of another length show other hearts: a recipe may train on short clips and measure on long ones.
            rng = self.rng(index * (MOST_FRAMES + 1) + frames)
            clip = simulate(rng, frames=frames, size=self.options.size)
            yield Sample(
                clip.frames,
                truth={
                    "mask": clip.mask.astype(np.uint8),
                    "mask_frames": np.arange(len(clip.mask), dtype=np.int64),
                    "ed": np.array(clip.ed, np.int64),
                    "es": np.array(clip.es, np.int64),
                    "ejection_fraction": np.array(clip.ejection_fraction, np.float64),
                },
                info={
                    "name": f"phantom-{index:05d}",
                    "fps": float(clip.fps),
                    "spacing_mm": float(clip.spacing_mm),
                },
            )
