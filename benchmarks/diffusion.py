"""What the embedded diffusion model is worth: python benchmarks/diffusion.py [--picture FILE] [--neighbours FILE]

Prints the numbers of docs/diffusion.md: how long a clip takes; whether its ejection fraction, as the embedded teacher
measures it, is the one that was requested; and how near its hearts are to those that the model was trained on. The
training clips are simulated once more for that, unless --work names the folder of scripts/train_diffusion.py.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from kdkit_echocardio.diffused import EMBEDDED, EchoDiffusion
from kdkit_echocardio.diffusion.layout import load
from kdkit_echocardio.diffusion.sampling import encode_frames
from kdkit_echocardio.diffusion.training.clips import SIDE, load_clips, read_beats
from kdkit_echocardio.diffusion.training.simulated import FPS, FRAMES, ReadableClip, readable_clip

# Simulated hearts beyond this index were not trained on.
UNSEEN = 1_000_000
CORES = 2


class SampledClip(NamedTuple):
    """``frames`` uint8 (T, H, W); ``ejection_fraction``: the requested one, percent."""

    frames: np.ndarray
    ejection_fraction: float


def use_one_thread() -> None:
    """One thread for each process, as sources are sampled."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def seconds(frames: int, clips: int) -> float:
    """What one clip takes, in one process, of several after one that is not counted."""
    source = EchoDiffusion(EchoDiffusion.Options(frames=frames, device="cpu"))
    list(source.generate([0]))
    start = time.perf_counter()
    list(source.generate(range(1, 1 + clips)))
    return (time.perf_counter() - start) / clips


def sample_clip(index: int) -> SampledClip:
    use_one_thread()
    options = EchoDiffusion.Options(frames=FRAMES, device="cpu", batch_size=1)
    (sample,) = EchoDiffusion(options).generate([index])
    return SampledClip(sample.inputs, float(sample.truth["ejection_fraction"]))


def teacher_ejection_fraction(clip: SampledClip) -> float:
    use_one_thread()
    return read_beats(clip.frames, FPS)[0]


def simulate_clip(seed: int, variety: float, index: int) -> ReadableClip | None:
    use_one_thread()
    return readable_clip(seed, index, variety)


def training_clips(pool: concurrent.futures.Executor, work: Path | None, card: dict[str, float]) -> np.ndarray:
    """The simulated clips that the model was trained on: uint8 (N, T, H, W)."""
    if work:
        return load_clips(work / "clips").clips
    simulate = functools.partial(simulate_clip, int(card["seed"]), card["variety"])
    clips = [
        clip.frames for clip in pool.map(simulate, range(int(card["simulated"])), chunksize=8) if clip is not None
    ]
    # On the disk, as they are half a gigabyte.
    file = Path(tempfile.mkdtemp()) / "clips.u8"
    np.stack(clips).tofile(file)
    return np.memmap(file, np.uint8, "r").reshape(len(clips), FRAMES, SIDE, SIDE)


class Neighbours:
    """The nearest frames among those of training clips, by the root mean square difference of their latents."""

    def __init__(self, clips: np.ndarray) -> None:
        self.model, self.clips = load(EMBEDDED), clips
        self.frame_step = 2
        parts = [self._latents(clip[:: self.frame_step]) for clip in clips]
        self.training_latents = torch.cat(parts)
        self.of_clip = len(parts[0])

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Distances and nearest training frames of frames uint8 (N, H, W)."""
        distances, places = torch.cdist(self._latents(frames), self.training_latents).min(dim=1)
        nearest = [self.clips[p // self.of_clip][p % self.of_clip * self.frame_step] for p in places.tolist()]
        return (distances / self.training_latents.shape[1] ** 0.5).numpy(), nearest

    def spread(self, frames: np.ndarray) -> float:
        """The median distance of two of these frames."""
        distances = torch.pdist(self._latents(frames))
        return float(distances.median() / self.training_latents.shape[1] ** 0.5)

    @torch.inference_mode()
    def _latents(self, frames: np.ndarray) -> torch.Tensor:
        return encode_frames(self.model, torch.from_numpy(np.ascontiguousarray(frames))).flatten(1)


def print_ejection_fractions(requested: np.ndarray, measured: np.ndarray) -> None:
    """The requested ejection fractions and those that the teacher measures, percent, NaN without a beat."""
    print(
        f"a beat is read in {np.isfinite(measured).sum()} of {len(measured)} clips; "
        "ejection fraction asked against read:"
    )
    requested, measured = requested[np.isfinite(measured)], measured[np.isfinite(measured)]
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(measured), size=len(measured)) for _ in range(2000)]
    low, high = np.percentile([np.corrcoef(requested[d], measured[d])[0, 1] for d in draws], [2.5, 97.5])
    slope, offset = np.polyfit(requested, measured, 1)
    correlation = np.corrcoef(requested, measured)[0, 1]
    print(f"r = {correlation:.3f} ({low:.3f} to {high:.3f}), read = {slope:.2f} asked {offset:+.1f}")
    print(
        f"mean difference {np.mean(measured - requested):+.1f}, "
        f"mean absolute difference {np.mean(abs(measured - requested)):.1f}"
    )


def print_neighbours(neighbours: Neighbours, clips: list[SampledClip], unseen: list[ReadableClip]) -> None:
    print("\n| first frames of | nearest training frame, median | 5 % nearest | two of them, median |")
    print("|---|---|---|---|")
    for name, frames in (
        ("sampled clips", np.stack([clip.frames[0] for clip in clips])),
        ("simulated clips not trained on", np.stack([clip.frames[clip.start] for clip in unseen])),
    ):
        distances = neighbours(frames)[0]
        cells = f"{np.median(distances):.3f} | {np.percentile(distances, 5):.3f} | {neighbours.spread(frames):.3f}"
        print(f"| {name} | {cells} |")


def draw_sheet(path: Path, clips: list[np.ndarray], columns: int = 8) -> None:
    """Some frames of some clips, a clip in each row."""
    moments = np.linspace(0, FRAMES // 2, columns).astype(int)
    cv2.imwrite(str(path), np.concatenate([np.concatenate(list(clip[moments]), axis=1) for clip in clips]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--work", type=Path, help="folder with the training clips; simulated again without it")
    parser.add_argument("--picture", type=Path, help="where to draw sampled clips above simulated ones")
    parser.add_argument("--neighbours", type=Path, help="where to draw samples above their nearest training frames")
    arguments = parser.parse_args()
    card = json.loads((EMBEDDED / "provenance.json").read_text(encoding="utf-8"))["settings"]
    use_one_thread()
    print(f"{os.cpu_count()} cores, torch {torch.__version__}; one process of one thread:")
    print(f"{seconds(FRAMES, 5):.2f} s for a clip of {FRAMES} frames, {seconds(2, 32):.3f} s for one of 2")
    with concurrent.futures.ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(sample_clip, range(arguments.clips, arguments.clips + CORES)))  # not counted: processes start
        start = time.perf_counter()
        clips = list(pool.map(sample_clip, range(arguments.clips), chunksize=4))
        clip_seconds = (time.perf_counter() - start) / len(clips)
        conditions = f"with {CORES} such processes at work, loading included"
        print(f"{clip_seconds:.2f} s for a clip of {FRAMES} frames {conditions}")
        measured = pool.map(teacher_ejection_fraction, clips, chunksize=4)
        print_ejection_fractions(np.array([clip.ejection_fraction for clip in clips]), np.array(list(measured)))
        simulate = functools.partial(simulate_clip, int(card["seed"]), card["variety"])
        simulated = pool.map(simulate, range(UNSEEN, UNSEEN + 2 * arguments.clips), chunksize=4)
        unseen = [clip for clip in simulated if clip is not None][: arguments.clips]
        neighbours = Neighbours(training_clips(pool, arguments.work, card))
    print_neighbours(neighbours, clips, unseen)
    if arguments.picture:
        draw_sheet(arguments.picture, [clip.frames for clip in (*clips[:8], *unseen[:4])])
    if arguments.neighbours:
        frames = np.stack([clip.frames[0] for clip in clips[:12]])
        rows = [np.concatenate(list(row), axis=1) for row in (frames, neighbours(frames)[1])]
        cv2.imwrite(str(arguments.neighbours), np.concatenate(rows))


if __name__ == "__main__":
    main()
