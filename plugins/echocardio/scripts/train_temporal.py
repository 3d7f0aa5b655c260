"""Train a teacher that sees whole beats, from the embedded one, on simulated clips alone.

    python plugins/echocardio/scripts/train_temporal.py --work FOLDER

starts from the embedded network for single frames, or from ``--start``, which was trained so before, and writes
``deeplabv3_temporal.safetensors`` (float16) and its provenance into FOLDER. What it has from the network for frames
stays as it is, unless ``--encoder-rate`` says otherwise, and where a picture comes alone it learns to say what that
network says: only what time adds is trained. The teacher is then
``{name: deeplabv3, backbone: temporal, weights: ...}``. It goes on where it was interrupted, also with more
``--steps`` than before. With ``--ahead`` it only simulates the clips that the training needs next: run it beside the
training where a core is free.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import math
import os
import platform
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.networks.temporal import TemporalDeepLabV3, start_from_frames
from kdkit_echocardio.phantom import VERSION, simulate
from kdkit_echocardio.teacher import DEVIATION, EMBEDDED, MEAN
from safetensors.torch import load_file, save
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kdkit.allocation import keep_freed_memory

NAME = "deeplabv3_temporal"
SIZE, FRAMES, HELD_OUT_FRAMES = 112, 16, 32
# Streams 0 and 1 are those of the network for single frames.
TRAINING_STREAM, HELD_OUT_STREAM = 4, 5
# Frames per second of the clips: a third of a beat to two beats.
SLOWEST, FASTEST = 9.0, 40.0
# Clips simulated at a time, and files of them that the simulation may be ahead of the training.
SHARD, AHEAD = 48, 60
# Each clip is seen twice, the second time so many files later, in another framing.
AGAIN = 4
# Of the steps, how many see parts of a clip in so many frames: alone, as stills of a patient come, and few of a beat.
PARTS = {1: 0.15, 2: 0.1, 4: 0.15}
# How much the target of frames in such parts is the answer of the network for single frames, not the truth: what one
# cannot see in a still, it must not guess otherwise than that network does, which real stills speak for.
TRUST = {1: 1.0, 2: 0.5}
# Weight of the error of areas (of their logarithm) in clips, where frames in systole count twice.
AREAS, SYSTOLE = 0.3, 2.0
# Steps in which the learning rate rises.
WARM_UP = 200
CHECKPOINT_STEPS = 100
# Options that a training may be gone on with otherwise.
FREE = ("steps", "held_out", "ahead", "work")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000, help="a step takes a second of one core")
    parser.add_argument("--batch", type=int, default=3, help=f"clips of {FRAMES} frames in a step")
    parser.add_argument("--learning-rate", type=float, default=6e-4, help="of what is new in the network")
    parser.add_argument("--encoder-rate", type=float, default=0.0, help="share of it for what begins trained")
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--bfloat16", action="store_true", help="compute in it, for processors that have it")
    parser.add_argument("--average", type=float, default=0.998, help="decay of the running average of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights for whole clips to train on from")
    parser.add_argument(
        "--frames", type=Path, default=EMBEDDED, help="weights of the network for single frames (default: embedded)"
    )
    parser.add_argument("--held-out", type=int, default=120, help="clips to score the finished network on")
    parser.add_argument("--ahead", action="store_true", help="only simulate, ahead of a training in the same folder")
    parser.add_argument("--work", type=Path, required=True, help="folder for clips, checkpoint and finished files")
    return parser.parse_args(arguments)


def claim_folder(options: argparse.Namespace) -> None:
    """Make the folder, or see that what lies there is of this training; only its length may be another."""
    settings = {name: value for name, value in vars(options).items() if name not in FREE} | {
        "start": file_of(options.start or options.frames),
        "frames": file_of(options.frames),
    }
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / "settings.json"
    if path.exists():
        is_other = json.loads(path.read_text()) != settings
    else:  # what was begun without a word of its settings may be anybody's
        is_other = any(name.match("checkpoint.pt") or name.match("clips-*.npz") for name in options.work.iterdir())
    if is_other:
        raise SystemExit(f"{options.work} holds a training with other settings ({path.name}): choose another --work")
    path.write_text(json.dumps(settings, indent=2) + "\n")


def file_of(path: Path) -> dict[str, str]:
    """A file of weights, by name and content."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def draw_clip(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 and cavities bool, both (FRAMES, SIZE, SIZE), of one simulated clip."""
    rng = np.random.default_rng([seed, TRAINING_STREAM, index])
    fps = math.exp(rng.uniform(math.log(SLOWEST), math.log(FASTEST)))
    clip = simulate(rng, frames=FRAMES, size=SIZE, fps=fps)
    return clip.frames, clip.mask


def shard_path(work: Path, number: int) -> Path:
    return work / f"clips-{number:05d}.npz"


def simulate_shard(options: argparse.Namespace, number: int) -> Path:
    """The file of SHARD clips with that number, simulated where it is not there."""
    path = shard_path(options.work, number)
    if not path.exists():
        clips = [draw_clip(options.seed, number * SHARD + place) for place in range(SHARD)]
        partial = path.with_suffix(f".{os.getpid()}.part")
        with partial.open("wb") as file:
            pictures, cavities = (np.stack(part) for part in zip(*clips, strict=True))
            np.savez(file, pictures=pictures, cavities=np.packbits(cavities, axis=-1))
        partial.replace(path)
    return path


def simulate_ahead(options: argparse.Namespace) -> None:
    """Simulate what the training will want, until it has begun its last file of clips."""
    last = (options.steps * options.batch - 1) // SHARD // 2
    while (current := current_shard(options.work)) <= last:
        wanted = range(current + 1, min(current + AHEAD, last) + 1)
        missing = next((number for number in wanted if not shard_path(options.work, number).exists()), None)
        if missing is not None:
            simulate_shard(options, missing)
        elif current == last:
            return
        else:
            time.sleep(5)


def shard_of(visit: int) -> int:
    """The file of clips that is read at that visit: every other one is new, those between were read a while ago."""
    number, again = divmod(visit, 2)
    return max(0, number - AGAIN) if again else number


def current_shard(work: Path) -> int:
    """The file of clips that the training is at; -1 before it has begun."""
    with contextlib.suppress(OSError, ValueError):
        return int((work / "current.txt").read_text())
    return -1


def augment(rng: np.random.Generator, pictures: np.ndarray, cavities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slightly other framing and grey curve of a clip: uint8 pictures and float32 cavities, (T, SIZE, SIZE) each."""
    angle, stretch = rng.normal(0.0, 0.08), np.exp(rng.normal(0.0, 0.1, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * stretch
    centre = np.full(2, (SIZE - 1) / 2)
    matrix = np.column_stack([turn, centre - turn @ centre + rng.normal(0.0, 3.0, 2)])
    curve = np.linspace(0.0, 1.0, 256) ** np.exp(rng.normal(0.0, 0.2)) * np.exp(rng.normal(0.0, 0.15))
    curve = np.clip(255.0 * curve, 0, 255).astype(np.uint8)
    seen = [cv2.LUT(cv2.warpAffine(picture, matrix, (SIZE, SIZE)), curve) for picture in pictures]
    inside = [cv2.warpAffine(cavity.astype(np.float32), matrix, (SIZE, SIZE)) for cavity in cavities]
    return np.stack(seen), np.stack(inside)


def batch_of(options: argparse.Namespace, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Augmented pictures uint8 and cavities float32 of one step: clips (B, T, SIZE, SIZE), or parts of clips."""
    rng = np.random.default_rng([options.seed, 6, step])
    clips = []
    for index in range(step * options.batch, (step + 1) * options.batch):
        pictures, cavities = read_clip(options, index)
        clips.append(augment(rng, pictures, cavities))
    pictures, cavities = (torch.from_numpy(np.stack(part)) for part in zip(*clips, strict=True))
    lengths = [*PARTS, FRAMES]
    length = int(rng.choice(lengths, p=[*PARTS.values(), 1 - sum(PARTS.values())]))
    # Every so many frames of a clip are a part of it, in order.
    pictures, cavities = (
        part.unflatten(1, (length, -1)).transpose(1, 2).flatten(0, 1) for part in (pictures, cavities)
    )
    return pictures.contiguous(), cavities.contiguous()


def read_clip(options: argparse.Namespace, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and cavities, uint8 (FRAMES, SIZE, SIZE), of a training clip."""
    visit, place = divmod(index, SHARD)
    number = shard_of(visit)
    if read_clip.number != number:
        (options.work / "current.txt").write_text(str(visit // 2))
        with np.load(simulate_shard(options, number)) as file:
            read_clip.shard = file["pictures"], file["cavities"]
        read_clip.number = number
    pictures, cavities = read_clip.shard
    return pictures[place], np.unpackbits(cavities[place], axis=-1)


read_clip.number = -1


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Grey 0..255 to the network's input."""
    return (pictures.float() - sum(MEAN) / 3) / (sum(DEVIATION) / 3)


def loss_of(logits: torch.Tensor, cavity: torch.Tensor) -> torch.Tensor:
    """Of clips (B, T, H, W): cross-entropy and soft DICE loss (Milletari et al., arXiv:1606.04797), and areas."""
    probability = torch.sigmoid(logits)
    overlap, predicted, true = (part.sum(dim=(2, 3)) for part in (probability * cavity, probability, cavity))
    middle = (true.amin(1, keepdim=True) + true.amax(1, keepdim=True)) / 2
    weight = torch.where(true < middle, SYSTOLE, 1.0)
    dice = (2.0 * overlap + 1.0) / (predicted + true + 1.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, cavity, reduction="none").mean(dim=(2, 3))
    # A pixel keeps the logarithm finite; where nearly nothing is seen, its area is not worth an error of tenfold.
    areas = (torch.log((predicted + 1.0) / (true + 1.0))).abs().clamp(max=1.0)
    frames = entropy + (1.0 - dice) + AREAS * areas
    return (weight * frames).sum() / weight.sum()


def target_of(pictures: torch.Tensor, cavities: torch.Tensor, frames: torch.nn.Module) -> torch.Tensor:
    """What the network shall say of clips: the truth, and of stills what the network for single ``frames`` says."""
    trust = TRUST.get(pictures.shape[1], 0.0)
    if not trust:
        return cavities
    with torch.inference_mode():
        alone = torch.sigmoid(frames(normalise(pictures.flatten(0, 1)[:, None])))
    return trust * alone.reshape(cavities.shape).clone() + (1 - trust) * cavities


def network_of_frames(weights: Path) -> TemporalDeepLabV3:
    """The network with the weights for single frames where it has them."""
    frames = build("compact")
    frames.load_state_dict(load_file(weights))
    network = TemporalDeepLabV3()
    start_from_frames(network, frames.float(), torch.tensor(MEAN), torch.tensor(DEVIATION))
    return network


def initial_network(options: argparse.Namespace) -> TemporalDeepLabV3:
    """The network with the weights that the training begins with."""
    network = network_of_frames(options.frames)
    if options.start:
        network.load_state_dict(load_file(options.start))
    return network


def begun_parts(network: TemporalDeepLabV3) -> list[torch.nn.Module]:
    """What begins with the weights of the network for single frames."""
    return [network.fine, network.coarse, network.pyramid, network.head]


def optimiser_of(options: argparse.Namespace, network: TemporalDeepLabV3) -> torch.optim.Optimizer:
    old = {id(weight) for part in begun_parts(network) for weight in part.parameters()}
    groups = [
        {"params": [weight for weight in network.parameters() if (id(weight) in old) == trained], "share": share}
        for trained, share in ((True, options.encoder_rate), (False, 1.0))
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)


def rate_at(options: argparse.Namespace, step: int) -> float:
    """The learning rate: it rises for a while and then falls to nothing."""
    return options.learning_rate * min((step + 1) / WARM_UP, (options.steps - step) / max(options.steps - WARM_UP, 1))


def train(options: argparse.Namespace) -> tuple[torch.nn.Module, dict[str, int]]:
    """The average of the weights; a checkpoint every CHECKPOINT_STEPS lets an interrupted run go on.

    Beside it the lengths that the training was meant to have, by the step at which that was decided.
    """
    torch.manual_seed(options.seed)
    network = initial_network(options)
    frames = network_of_frames(options.frames).eval()
    if not options.encoder_rate:
        for part in begun_parts(network):
            part.requires_grad_(False)
    optimiser = optimiser_of(options, network)
    # The average of the weights along the way carries over to other pictures better than the last ones do.
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.average))
    checkpoint, step, lengths = options.work / "checkpoint.pt", 0, dict[str, int]()
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        step, lengths = state["step"], state["lengths"]
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average.load_state_dict(state["average"])
    if options.steps not in [*lengths.values()][-1:]:
        lengths[str(step)] = options.steps
    start, first, smooth = time.monotonic(), step, math.nan
    while step < options.steps:
        pictures, cavities = batch_of(options, step)
        for group in optimiser.param_groups:
            group["lr"] = group["share"] * rate_at(options, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            logits = network(normalise(pictures))
        loss = loss_of(logits.float(), target_of(pictures, cavities, frames))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
        step += 1
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        if step % CHECKPOINT_STEPS == 0 or step == options.steps:
            minutes_left = (time.monotonic() - start) / (step - first) * (options.steps - step) / 60
            print(f"step {step}/{options.steps} loss {smooth:.4f}, {minutes_left:.1f} min left", flush=True)
            state = {
                "step": step,
                "lengths": lengths,
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
            }
            state["average"] = average.state_dict()
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return average.module.eval(), lengths


@torch.inference_mode()
def held_out_scores(options: argparse.Namespace, network: torch.nn.Module) -> dict[str, float]:
    """What the network does on whole clips never trained on: DICE of all frames, areas at ES, ejection by area."""
    scores, systoles, fractions = list[float](), list[float](), list[tuple[float, float]]()
    for index in range(options.held_out):
        clip = simulate(np.random.default_rng([options.seed, HELD_OUT_STREAM, index]), frames=HELD_OUT_FRAMES)
        predicted = (network(normalise(torch.from_numpy(clip.frames[None])))[0] > 0).numpy()
        overlap = (predicted & clip.mask).sum(axis=(1, 2))
        sizes = predicted.sum(axis=(1, 2)) + clip.mask.sum(axis=(1, 2))
        scores += list(2.0 * overlap / np.maximum(sizes, 1))
        if clip.ed and clip.es:
            areas = [masks.sum(axis=(1, 2)) for masks in (predicted, clip.mask)]
            systoles.append(float(areas[0][clip.es].mean() / areas[1][clip.es].mean()))
            fractions.append(tuple(1.0 - a[clip.es].mean() / max(a[clip.ed].mean(), 1.0) for a in areas))  # type: ignore
    seen, true = np.clip(np.array(fractions), 0.0, 1.0).T
    slope = float(np.polyfit(true, seen, 1)[0])
    return {
        "dice_mean": round(float(np.mean(scores)), 4),
        "dice_median": round(float(np.median(scores)), 4),
        "frames": len(scores),
        "es_area_ratio": round(float(np.mean(systoles)), 3),
        "area_ef_slope": round(slope, 3),
        "area_ef_r": round(float(np.corrcoef(seen, true)[0, 1]), 3),
    }


def provenance(options: argparse.Namespace, network: torch.nn.Module) -> dict[str, object]:
    """The content of the card of the weights, scores included."""
    weights = {name: getattr(options, name) for name in ("start", "frames")}
    settings = {name: value for name, value in vars(options).items() if name not in ("work", "ahead", *weights)}
    settings |= {name: path.name for name, path in weights.items() if path not in (None, EMBEDDED)}
    flags = [
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
        for name, value in settings.items()
        if value is not False
    ]
    return {
        "architecture": "DeepLabV3 with the backbone compact, features joined over time, one output channel (logits)",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "input": {
            "shape": ["N", "T", SIZE, SIZE],
            "range": [0, 255],
            "mean": MEAN,
            "std": DEVIATION,
            "colour": "grey",
        },
        "trained_on": f"phantom version {VERSION}; no real image",
        "started_from": file_of(options.start or options.frames),
        "network_for_frames": file_of(options.frames),
        "clips": (options.steps * options.batch + 1) // 2,
        "frames_seen": options.steps * options.batch * FRAMES,
        "seed": options.seed,
        "held_out_phantoms": held_out_scores(options, network),
        "command": " ".join(["python plugins/echocardio/scripts/train_temporal.py --work FOLDER", *flags]),
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


def main(arguments: list[str] | None = None) -> None:
    """Simulate ahead; or train, round, score, save."""
    options = parse(arguments)
    cv2.setNumThreads(1)
    keep_freed_memory()
    claim_folder(options)
    if options.ahead:
        simulate_ahead(options)
        return
    network, lengths = train(options)
    half = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    # What is scored is what is saved: the weights after rounding.
    network.load_state_dict(half)
    card = provenance(options, network) | {"steps_planned_at_step": lengths}
    (options.work / f"{NAME}.safetensors").write_bytes(save(half, metadata={"format": "pt", "backbone": "temporal"}))
    (options.work / f"{NAME}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"held-out phantoms: {card['held_out_phantoms']}", flush=True)


if __name__ == "__main__":
    main()
