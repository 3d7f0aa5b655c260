"""What the two rules for ED and ES give to area curves that mean nothing: python benchmarks/phase.py"""

from __future__ import annotations

import numpy as np
from kdkit_echocardio.metrics.timing import AverageFrameDistance, MissedBeats, OriginalFrameDistance

from kdkit import Sample

METRICS = {"afd-original": OriginalFrameDistance, "afd": AverageFrameDistance, "missed-beats": MissedBeats}
CLIPS, FPS, SIDE = 200, 50.0, 40
# One beat of each clip is annotated, as in EchoNet-Dynamic; systole takes this share of a beat.
SYSTOLE = 0.38


def heart(rng: np.random.Generator) -> tuple[np.ndarray, Sample]:
    """An area curve, float64 (T,), of 1.5 s to 4 s at 50 to 100 beats a minute, and a clip with one known beat."""
    beat = FPS * 60 / rng.uniform(50, 100)
    frames = int(rng.uniform(1.5, 4) * FPS)
    start = rng.uniform(0.2, 0.6) * beat
    phase = (np.arange(frames) - start) / beat % 1
    systole = np.where(phase < SYSTOLE, phase / SYSTOLE, (1 - phase) / (1 - SYSTOLE))
    areas = rng.uniform(500, 1000) * (1 - rng.uniform(0.15, 0.45) * (0.5 - 0.5 * np.cos(np.pi * systole)))
    truth = {"ed": np.array([round(start)]), "es": np.array([round(start + SYSTOLE * beat)])}
    return areas, Sample(np.zeros((frames, SIDE, SIDE), np.uint8), truth, {"fps": FPS})


def area_curves(areas: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The area curves of models that see the heart, and of some that do not."""
    middle, swing, frames = areas.mean(), np.ptp(areas), len(areas)
    return {
        "exact": areas,
        "5 % noise": areas + rng.normal(0, 0.05 * swing, frames),
        "late by 3 frames": np.concatenate([areas[:1].repeat(3), areas[:-3]]),
        "noise": rng.normal(middle, swing, frames),
        "alternating": middle + swing * (-1.0) ** np.arange(frames),
        "constant": np.full(frames, middle),
    }


def masks(areas: np.ndarray) -> np.ndarray:
    """A prediction whose frames have these areas, to the pixel: float32 (T, SIDE, SIDE)."""
    filled = np.arange(SIDE * SIDE) < np.clip(areas, 0, None).round()[:, None]
    return filled.reshape(-1, SIDE, SIDE).astype(np.float32)


def table(clips: int = CLIPS) -> dict[str, dict[str, float]]:
    """Each model's score by each metric."""
    rng = np.random.default_rng(0)
    gathered: dict[str, dict[str, AverageFrameDistance]] = {}
    for _ in range(clips):
        areas, sample = heart(rng)
        for name, curve in area_curves(areas, rng).items():
            for metric in gathered.setdefault(name, {key: make() for key, make in METRICS.items()}).values():
                metric.update(masks(curve), sample)
    return {
        name: {key: metric.summarize(np.concatenate(metric._samples)) for key, metric in by.items()}
        for name, by in gathered.items()
    }


def main() -> None:
    print(f"| area curve | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}")
    for name, scores in table().items():
        print(f"| {name} | {' | '.join(f'{score:.2f}' for score in scores.values())} |")


if __name__ == "__main__":
    main()
