"""Train a small diffusion source on simulated clips alone, and note its provenance.

    python plugins/echocardio/scripts/train_diffusion.py --work FOLDER [--start SOURCE] [--out SOURCE]

simulates clips, keeps those that the embedded teacher reads well, and trains on them what ``kdkit train-generator
echo-diffusion`` trains, into a folder of 10 MB (float16); it resumes where it was interrupted. The embedded source
was trained in rounds, each started from the networks of the one before; its provenance.json names them. The last one
was

    python plugins/echocardio/scripts/train_diffusion.py --work FOLDER --start SOURCE --autoencoder-steps 0
        --sharpening-steps 0 --image-steps 0 --video-steps 0 --guidance-steps 280 --video-batch 2
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import functools
import json
import multiprocessing
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from kdkit_echocardio.diffusion.layout import CLIPS, CONFIG, SETTINGS, VAE
from kdkit_echocardio.diffusion.training.clips import ANNOTATIONS, ClipSet, load_clips, save_annotations
from kdkit_echocardio.diffusion.training.clips import CLIPS as CLIPS_FILE
from kdkit_echocardio.diffusion.training.options import SourceTraining
from kdkit_echocardio.diffusion.training.simulated import FPS, FRAMES, ReadableClip, readable_clip
from kdkit_echocardio.diffusion.training.source import IMAGES, train_networks
from kdkit_echocardio.phantom import VERSION
from lightning import Trainer

from kdkit import TrainingSession

PROVENANCE = "provenance.json"
OUT = Path(__file__).parent.parent / "kdkit_echocardio" / "weights" / "echo_diffusion"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; all that can be chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulated", type=int, default=1800, help="clips to simulate; two thirds are kept")
    parser.add_argument("--variety", type=float, default=0.3, help="how much their looks differ, 0 to 1")
    parser.add_argument("--start", type=Path, help="source whose networks are trained on")
    parser.add_argument("--autoencoder-steps", type=int, default=3600)
    parser.add_argument("--sharpening-steps", type=int, default=2500)
    parser.add_argument("--image-steps", type=int, default=9000)
    parser.add_argument("--video-steps", type=int, default=5000)
    parser.add_argument("--guidance-steps", type=int, default=1000)
    parser.add_argument(
        "--reach",
        type=float,
        default=1.2,
        help="how far the network of clips of --start goes the way that its training went: further than 1 where that "
        "was short of its end (Ilharco et al., arXiv:2212.04089)",
    )
    parser.add_argument("--video-batch", type=int, default=3)
    parser.add_argument("--sampling-steps", type=int, default=8, help="denoising steps that the source asks for")
    parser.add_argument("--image-sampling-steps", type=int, default=20, help="as many for its images")
    parser.add_argument("--guidance", type=float, default=3.0, help="guidance that its clips get")
    parser.add_argument("--sample-every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--precision", default="32-true", help="bf16-mixed is faster where the processor has instructions for it"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate")
    parser.add_argument("--work", type=Path, required=True, help="folder for clips, checkpoints and samples")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the finished files")
    return parser.parse_args(arguments)


def draw(seed: int, variety: float, index: int) -> ReadableClip | None:
    """One clip, in a process of its own."""
    torch.set_num_threads(1)
    return readable_clip(seed, index, variety)


def simulate_clips(options: argparse.Namespace) -> ClipSet:
    """The clips that are kept, and their ejection fractions."""
    folder, console = options.work / "clips", ConsoleProgress()
    if (folder / ANNOTATIONS).is_file():
        return load_clips(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fractions, starts = list[float](), list[int]()
    context = multiprocessing.get_context("spawn")
    with (
        console.work("simulate", "clips", options.simulated, "clips") as bar,
        concurrent.futures.ProcessPoolExecutor(options.workers, context) as pool,
        (folder / CLIPS_FILE).open("wb") as file,
    ):
        simulate = functools.partial(draw, options.seed, options.variety)
        jobs = pool.map(simulate, range(options.simulated), chunksize=8)
        for clip in jobs:
            bar.advance()
            if clip is not None:
                file.write(clip.frames.tobytes())
                fractions.append(clip.fraction / 100.0)
                starts.append(clip.start)
    save_annotations(folder, fractions, starts)
    return load_clips(folder)


class ConsoleProgress:
    """Progress as lines of text."""

    @contextmanager
    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> Iterator[ConsoleProgress]:
        self.name, self.total, self.done, self.start, self.first = f"{stage} {what}", total, done, time.time(), done
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        if self.done % 100 == 0:
            minutes_left = (time.time() - self.start) / max(self.done - self.first, 1) * (self.total - self.done) / 60
            print(f"{self.name} {self.done}/{self.total} {note}, {minutes_left:.1f} min left", flush=True)

    def say(self, stage: str, what: str, text: str) -> None:
        print(stage, what, text, flush=True)


def session_of(options: argparse.Namespace) -> TrainingSession:
    """Training on the processor."""

    def trainer(callbacks: list[Any], **trainer_options: Any) -> Trainer:
        silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        return Trainer(
            accelerator="cpu",
            devices=1,
            precision=options.precision,
            callbacks=callbacks,
            **silent,
            **trainer_options,
        )

    def run(trainer: Trainer, module: Any, batches: Any, checkpoint: Path | None) -> None:
        trainer.fit(module, batches, ckpt_path=checkpoint and str(checkpoint), weights_only=True)

    return TrainingSession(options.seed, ConsoleProgress(), trainer, run)


def ship(source: Path, out: Path, start: Path | None, reach: float) -> None:
    """Copy the networks as float16, that of clips moved further from ``start`` by ``reach``, and the settings."""
    parts = {VAE: "AutoencoderKL", IMAGES: "UNet2DModel", CLIPS: "UNetSpatioTemporalConditionModel"}
    for name, kind in parts.items():
        network = getattr(diffusers, kind).from_pretrained(source / name, local_files_only=True)
        if name == CLIPS and start is not None:
            initial = getattr(diffusers, kind).from_pretrained(start / name, local_files_only=True)
            with torch.no_grad():
                for old, new in zip(initial.parameters(), network.parameters(), strict=True):
                    new.copy_(torch.lerp(old.float(), new, reach))
        network.half().save_pretrained(out / name)
        config = json.loads((out / name / CONFIG).read_text(encoding="utf-8"))
        config.pop("_name_or_path", None)  # a path of this machine
        (out / name / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (out / SETTINGS).write_text((source / SETTINGS).read_text(encoding="utf-8"), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Simulate, train, round, save."""
    options = parse(arguments)
    torch.manual_seed(options.seed)
    data = simulate_clips(options)
    training = SourceTraining(
        start=options.start,
        fps=FPS,
        frames=FRAMES,
        image_batch=32,
        video_batch=options.video_batch,
        autoencoder_steps=options.autoencoder_steps,
        sharpening_steps=options.sharpening_steps,
        image_steps=options.image_steps,
        video_steps=options.video_steps,
        guidance_steps=options.guidance_steps,
        sample_every=options.sample_every,
        sampling_steps=options.sampling_steps,
        image_sampling_steps=options.image_sampling_steps,
        guidance=options.guidance,
    )
    train_networks(data, options.work / "model", training, session_of(options))
    ship(options.work / "model", options.out, options.start, options.reach)
    (options.out / PROVENANCE).write_text(json.dumps(provenance(options, len(data.clips)), indent=2) + "\n")


def provenance(options: argparse.Namespace, clips: int) -> dict[str, Any]:
    """Where the weights come from, with the complete provenance of the source that the training started from."""
    settings = {
        name: value for name, value in vars(options).items() if name not in ("work", "out", "start", "workers")
    }
    card: dict[str, Any] = {
        "architecture": "autoencoder, image and video denoiser in the layout of EchoNet-Synthetic",
        "trained_on": f"{clips} clips of phantom version {VERSION}; no real image",
        "settings": settings,
        "script": "plugins/echocardio/scripts/train_diffusion.py",
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "numpy": np.__version__,
        },
        "licence": "Apache-2.0",
    }
    if options.start and (initial := options.start / PROVENANCE).is_file():
        card["begun_with"] = json.loads(initial.read_text(encoding="utf-8"))
    return card


if __name__ == "__main__":
    main()
