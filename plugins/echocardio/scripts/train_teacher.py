"""Train the embedded teacher, a compact DeepLabV3, on simulated clips alone, and note its provenance.

    make weights

makes ``deeplabv3_compact.safetensors`` (float16) and ``deeplabv3_compact.json`` as they are shipped, from the weights
before them and beside frames of an earlier phantom, both from the repository's history, in 38 minutes of a core and
what the simulation takes, and 700 MB of disk. Called alone the script trains from random weights, in about 20 minutes
of one core and 850 MB. A first pass simulates the training frames into the work folder, a second one trains on them;
both resume where they were interrupted.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import hashlib
import json
import math
import multiprocessing
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.phantom import VERSION, simulate
from safetensors.torch import load_file, save
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kdkit.engine.muon import Muon, split_parameters

WEIGHTS = Path(__file__).parent.parent / "kdkit_echocardio" / "weights"
NAME = "deeplabv3_compact"
SIZE = 112
MEAN = (32.085175, 32.591923, 33.37932)
STD = (50.129288, 50.487717, 51.34619)
HELD_OUT_STREAM = 1
TRAINING_STREAM = 0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; ``make weights`` has that of the shipped file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12000, help="simulated clips to train on")
    parser.add_argument("--frames-per-clip", type=int, default=5, help="frames kept of each")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to train on from (default: random ones)")
    parser.add_argument(
        "--blend",
        type=float,
        default=1.0,
        help="how far the weights go from --start to what was trained: half way keeps what both see well "
        "(Wortsman et al., arXiv:2109.01903)",
    )
    parser.add_argument(
        "--mix",
        type=Path,
        help="work folder of this script, of an earlier commit say, whose frames are trained on beside these",
    )
    parser.add_argument("--bfloat16", action="store_true", help="compute in it, for processors that have it")
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak of the one-cycle schedule")
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--average", type=float, default=0.995, help="decay of the running average of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=300, help="clips to score the finished network on")
    parser.add_argument("--workers", type=int, default=1, help="processes that simulate")
    parser.add_argument("--work", type=Path, help="folder for frames and checkpoint (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the finished files")
    return parser.parse_args(arguments)


def default_work(options: argparse.Namespace) -> Path:
    """A temporary folder for this command: the same command resumes in it, another one gets another."""
    key = [VERSION, options.seed, options.clips, options.frames_per_clip, options.epochs, options.batch]
    key += [options.learning_rate, options.weight_decay, options.average, options.optimizer, options.bfloat16]
    key += [
        path and hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8] for path in (options.start, options.mix)
    ]
    return Path(tempfile.gettempdir()) / ("kdkit-teacher-" + "-".join(str(part) for part in key))


def draw_frames(seed: int, stream: int, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 and cavities bool, both (count, SIZE, SIZE), of one simulated clip.

    The clip is sampled sparsely in time, so that few frames show the whole beat.
    """
    rng = np.random.default_rng([seed, stream, index])
    clip = simulate(rng, frames=count, size=SIZE, fps=float(rng.uniform(4.0, 30.0)))
    return clip.frames, clip.mask


def simulate_all(options: argparse.Namespace, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """All training frames, memory-mapped: pictures uint8 (N, SIZE, SIZE), cavities as bits (N, SIZE, SIZE / 8)."""
    total, count = options.clips * options.frames_per_clip, options.frames_per_clip
    progress = work / "simulated.txt"
    finished = int(progress.read_text()) if progress.exists() else 0
    mode = "r+" if finished else "w+"
    pictures = np.lib.format.open_memmap(work / "pictures.npy", mode, np.uint8, (total, SIZE, SIZE))
    cavities = np.lib.format.open_memmap(work / "cavities.npy", mode, np.uint8, (total, SIZE, SIZE // 8))
    start, chunk = time.monotonic(), 64
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.workers, context, cv2.setNumThreads, (1,)) as pool:
        for first in range(finished, options.clips, chunk):
            indices = range(first, min(first + chunk, options.clips))
            jobs = [pool.submit(draw_frames, options.seed, TRAINING_STREAM, index, count) for index in indices]
            for index, job in zip(indices, jobs, strict=True):
                frames, mask = job.result()
                pictures[index * count : (index + 1) * count] = frames
                cavities[index * count : (index + 1) * count] = np.packbits(mask, axis=-1)
            progress.write_text(str(indices[-1] + 1))
            if (first // chunk) % 10 == 9:
                rate = (indices[-1] + 1 - finished) * count / (time.monotonic() - start)
                print(f"simulated {indices[-1] + 1}/{options.clips} clips, {rate:.0f} frames/s", flush=True)
    return pictures, cavities


def mixed(options: argparse.Namespace, *frames: np.ndarray) -> list[np.ndarray]:
    """Pictures and cavities, followed by those of the folder ``--mix``."""
    if options.mix is None:
        return list(frames)
    finished = int((options.mix / "simulated.txt").read_text()) * options.frames_per_clip
    if finished != len(np.load(options.mix / "pictures.npy", mmap_mode="r")):
        raise SystemExit(f"the frames in {options.mix} are not all simulated: do that first")
    return [
        np.concatenate([array, np.load(options.mix / name)])
        for array, name in zip(frames, ("pictures.npy", "cavities.npy"), strict=True)
    ]


def augment(rng: np.random.Generator, picture: np.ndarray, cavity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slightly other framing and grey curve of one frame: uint8 picture and float32 cavity, (SIZE, SIZE) each."""
    angle, stretch = rng.normal(0.0, 0.08), np.exp(rng.normal(0.0, 0.1, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * stretch
    centre = np.full(2, (SIZE - 1) / 2)
    matrix = np.column_stack([turn, centre - turn @ centre + rng.normal(0.0, 3.0, 2)])
    picture = cv2.warpAffine(picture, matrix, (SIZE, SIZE))
    cavity = cv2.warpAffine(cavity.astype(np.float32), matrix, (SIZE, SIZE))
    curve = np.linspace(0.0, 1.0, 256) ** np.exp(rng.normal(0.0, 0.2)) * np.exp(rng.normal(0.0, 0.15))
    return cv2.LUT(picture, np.clip(255.0 * curve, 0, 255).astype(np.uint8)), cavity


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Grey 0..255 (N, H, W) to the network's input (N, 3, H, W): EchoNet-Dynamic's channel means and deviations."""
    grey = pictures.float()[:, None].expand(-1, 3, -1, -1)
    return (grey - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def with_systole_twice(options: argparse.Namespace, cavities: np.ndarray) -> np.ndarray:
    """The frames of an epoch: all, and once more those whose cavity is nearer to its clip's smallest than largest.

    Hearts spend most of their time in diastole; a network that saw them so takes what it cannot see for diastole.
    """
    areas = np.array([int(np.bitwise_count(cavity).sum()) for cavity in cavities])
    areas = areas.reshape(-1, options.frames_per_clip)
    middle = (areas.min(axis=1, keepdims=True) + areas.max(axis=1, keepdims=True)) / 2
    return np.concatenate([np.arange(areas.size), np.flatnonzero(areas < middle)])


def batches(
    options: argparse.Namespace, pictures: np.ndarray, cavities: np.ndarray, epoch: int, skip: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Augmented batches of one epoch from the given step on: uint8 pictures, float32 cavities (B, SIZE, SIZE)."""
    order = np.random.default_rng([options.seed, 2, epoch]).permutation(with_systole_twice(options, cavities))
    for step in range(skip, len(order) // options.batch):
        rng = np.random.default_rng([options.seed, 3, epoch, step])
        batch = np.sort(order[step * options.batch : (step + 1) * options.batch])
        pairs = [augment(rng, pictures[i], np.unpackbits(cavities[i], axis=-1)) for i in batch]
        yield (
            torch.from_numpy(np.stack([p for p, _ in pairs])),
            torch.from_numpy(np.stack([c for _, c in pairs])),
        )


def loss_of(logits: torch.Tensor, cavity: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus soft DICE loss (Milletari et al., arXiv:1606.04797), both (B, H, W)."""
    probability = torch.sigmoid(logits)
    overlap = (probability * cavity).sum(dim=(1, 2))
    dice = (2.0 * overlap + 1.0) / (probability.sum(dim=(1, 2)) + cavity.sum(dim=(1, 2)) + 1.0)
    return functional.binary_cross_entropy_with_logits(logits, cavity) + (1.0 - dice).mean()


def optimizer_of(options: argparse.Namespace, network: torch.nn.Module) -> torch.optim.Optimizer:
    """The one that ``--optimizer`` names, for all weights."""
    if options.optimizer == "muon":
        return Muon(*split_parameters(network), options.learning_rate, options.weight_decay)
    return torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)


def train(options: argparse.Namespace, work: Path, pictures: np.ndarray, cavities: np.ndarray) -> torch.nn.Module:
    """The trained network in evaluation mode; a checkpoint every 200 steps lets an interrupted run resume."""
    network = build("compact").to(memory_format=torch.channels_last)
    if options.start:
        network.load_state_dict(load_file(options.start))
    optimiser = optimizer_of(options, network)
    steps = len(with_systole_twice(options, cavities)) // options.batch
    total = steps * options.epochs
    # The average of the weights along the way carries over to other pictures better than the last ones do.
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.average), use_buffers=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total, pct_start=0.1, final_div_factor=0.4
    )
    checkpoint, step = work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        step = state["step"]
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        average.load_state_dict(state["average"])
    start, first, smooth = time.monotonic(), step, math.nan
    for epoch in range(step // steps, options.epochs):
        for picture, cavity in batches(options, pictures, cavities, epoch, step % steps):
            network.train()
            inputs = normalise(picture).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
                logits = network(inputs)["out"]
            loss = loss_of(logits[:, 0].float(), cavity)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            step += 1
            smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
            if step % 200 == 0:
                minutes_left = (time.monotonic() - start) / (step - first) * (total - step) / 60
                print(
                    f"epoch {epoch + 1} step {step}/{total} loss {smooth:.4f}, {minutes_left:.1f} min left",
                    flush=True,
                )
                state = {"step": step, "network": network.state_dict(), "optimiser": optimiser.state_dict()}
                state |= {"schedule": schedule.state_dict(), "average": average.state_dict()}
                torch.save(state, checkpoint.with_suffix(".part"))
                checkpoint.with_suffix(".part").replace(checkpoint)
    return average.module.eval()


def blended(options: argparse.Namespace, trained: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights between those of the start and the trained ones."""
    if options.start is None or options.blend == 1.0:
        return trained
    start = load_file(options.start)
    return {
        name: torch.lerp(start[name].float(), weight.float(), options.blend) if weight.is_floating_point() else weight
        for name, weight in trained.items()
    }


@torch.inference_mode()
def held_out_dice(options: argparse.Namespace, network: torch.nn.Module) -> tuple[float, float, int]:
    """Mean and median DICE, and their count, over frames of clips never trained on."""
    scores = []
    for index in range(options.held_out):
        frames, mask = draw_frames(options.seed, HELD_OUT_STREAM, index, 2)
        predicted = (network(normalise(torch.from_numpy(frames)))["out"][:, 0] > 0).numpy()
        overlap = (predicted & mask).sum(axis=(1, 2))
        sizes = predicted.sum(axis=(1, 2)) + mask.sum(axis=(1, 2))
        scores += list(2.0 * overlap / np.maximum(sizes, 1))
    return float(np.mean(scores)), float(np.median(scores)), len(scores)


def command_of(options: argparse.Namespace) -> str:
    """The command line that does the same again, with every option that matters spelt out."""
    settings = {name: value for name, value in vars(options).items() if name not in ("work", "out")}
    flags = [
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
        for name, value in settings.items()
        if value is not None and value is not False
    ]
    return " ".join(["python plugins/echocardio/scripts/train_teacher.py", *flags])


def core_minutes() -> float:
    """Processor time of this process and of its simulating child processes."""
    return sum(os.times()[:4]) / 60


def provenance(options: argparse.Namespace, network: torch.nn.Module) -> dict[str, object]:
    """The content of the card of the weights, scores included."""
    mean, median, count = held_out_dice(options, network)
    return (
        {
            "architecture": "torchvision DeepLabV3, backbone compact, one output channel (logits)",
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "input": {"shape": ["N", 3, SIZE, SIZE], "range": [0, 255], "mean": MEAN, "std": STD, "colour": "grey"},
            "trained_on": f"phantom version {VERSION}{' and the frames of --mix' * bool(options.mix)}; no real image",
            "clips": options.clips,
            "frames": options.clips * options.frames_per_clip,
            "epochs": options.epochs,
            "seed": options.seed,
            "held_out_phantoms": {"dice_mean": round(mean, 4), "dice_median": round(median, 4), "frames": count},
            "command": command_of(options),
            "core_minutes": round(core_minutes(), 1),
            "date": datetime.date.today().isoformat(),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
            },
            "licence": "Apache-2.0",
        }
        | begun_with(options)
        | mixed_with(options)
    )


def mixed_with(options: argparse.Namespace) -> dict[str, object]:
    """How many frames those of ``--mix`` are, and their checksum."""
    if options.mix is None:
        return {}
    pictures = np.load(options.mix / "pictures.npy")
    return {"mixed_with": {"frames": len(pictures), "sha256": hashlib.sha256(pictures.tobytes()).hexdigest()}}


def begun_with(options: argparse.Namespace) -> dict[str, object]:
    """The card of the weights that the training started from, and their checksum; nothing for random ones."""
    if options.start is None:
        return {}
    card = json.loads(options.start.with_suffix(".json").read_text(encoding="utf-8"))
    return {"begun_with": {"sha256": hashlib.sha256(options.start.read_bytes()).hexdigest(), "card": card}}


def main(arguments: list[str] | None = None) -> None:
    """Simulate, train, round, score, save."""
    options = parse(arguments)
    torch.manual_seed(options.seed)
    work = options.work or default_work(options)
    work.mkdir(parents=True, exist_ok=True)
    pictures, cavities = mixed(options, *simulate_all(options, work))
    network = train(options, work, pictures, cavities)
    state = blended(options, network.state_dict())
    half = {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in state.items()}
    # What is scored is what is shipped: the weights after rounding.
    network.load_state_dict(half)
    card = provenance(options, network)
    options.out.mkdir(parents=True, exist_ok=True)
    weights = save(half, metadata={"format": "pt", "backbone": "compact"})
    (options.out / f"{NAME}.safetensors").write_bytes(weights)
    (options.out / f"{NAME}.json").write_text(json.dumps(card, indent=2) + "\n")
    if options.work is None:
        shutil.rmtree(work)
    print(f"held-out phantoms: DICE {card['held_out_phantoms']}", flush=True)


if __name__ == "__main__":
    main()
