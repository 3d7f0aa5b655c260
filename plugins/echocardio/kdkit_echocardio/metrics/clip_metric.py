"""What all metrics of this plugin have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit import Metric, Sample


class ClipMetric(Metric):
    """A metric of clips."""

    version = "2"

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Round ventricles of four hearts, each predicted a little too small and with doubt at its border."""
        return [_example(fraction) for fraction in (30.0, 45.0, 60.0, 70.0)]


def _example(ejection_fraction: float) -> tuple[np.ndarray, Sample]:
    """Three beats of a ball at 60 per minute and 16 frames per second; an area goes with volume to the power 2/3."""
    phase = np.arange(48) / 16
    volume = 1 - ejection_fraction / 100 * (0.5 - 0.5 * np.cos(2 * np.pi * phase))
    radius = 12 * np.cbrt(volume)[:, None, None]
    rows, columns = np.mgrid[:32, :32]
    distance = np.hypot(rows - 16, columns - 15)
    truth = {
        "mask": (distance <= radius).astype(np.uint8),
        "mask_frames": np.arange(48),
        "ed": np.array([16, 32]),
        "es": np.array([8, 24, 40]),
        "ejection_fraction": np.array(ejection_fraction),
    }
    info = {"name": f"ball-{ejection_fraction:.0f}", "fps": 16.0, "spacing_mm": 1.5}
    prediction = 1 / (1 + np.exp(distance - 0.95 * radius))
    return prediction.astype(np.float32), Sample(np.zeros((48, 32, 32), np.uint8), truth, info)
