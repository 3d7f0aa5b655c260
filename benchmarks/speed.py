"""How fast each part is beside a plain implementation: python benchmarks/speed.py [CASE ...]

One JSON line for each case, then a table. Both sides of a case run in turns, so that what else the machine does falls
on both, each in a process of its own: how memory is kept belongs to a side as well. ``ours`` and ``reference`` are
medians, ``spread`` the quartiles' distance of their ratio.
``memory``: bytes of tensors alive at once, ours and the reference's. ``limit``: seconds that ours would take if there
were only its convolutions and products of matrices, at the rate of a large one of these, measured here and now;
products with the padding count, too, which libraries may leave out. Weights are random, but the same on both sides.
``precision``: of ours. Label, train and predict run in bfloat16 where that is faster by a seventh, as with
``trainer.precision=auto`` (label, train) or ``--precision bf16-mixed`` (predict); ``--full`` keeps them in float32,
as the reference always is. What they compute is compared in float32 first.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from kdkit_echocardio.framewise import Framewise
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.networks.normalization import BatchNorm
from kdkit_echocardio.networks.paper import PaperConvLSTM
from kdkit_echocardio.networks.unet import ConvLSTMUNet, MergingConvolution
from reference import DEVIATION, MEAN, WINDOW, Student, Teacher, read_item
from torch.utils.flop_counter import FlopCounterMode

from kdkit.allocation import keep_freed_memory
from kdkit.engine.inference import infer_logits
from kdkit.engine.memory import peak_memory
from kdkit.engine.muon import Muon, split_parameters
from kdkit.engine.precision import LEAST_GAIN
from kdkit.store.shards import Record, ShardStore

CPU = torch.device("cpu")
# Frames that a labelling network sees at once, as in the teacher deeplabv3.
CHUNK = 16
# Operations of the products that the limit is taken from, and the sides of their matrices.
PRODUCTS, SIDE = 2e10, 1024

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """Seconds of both sides, and their ratio: how many times as fast ours is."""

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    spread: float
    memory: tuple[int, int]
    limit: float | None
    precision: str
    threads: int
    machine: str


@dataclass(frozen=True)
class Sides:
    """What a case compares, in rounds; ``check`` raises AssertionError where the sides compute otherwise.

    ``computes``: with tensors, in the side's own process. ``lower``: ours in bfloat16.
    """

    name: str
    unit: str
    ours: Call
    reference: Call
    rounds: int
    computes: bool = True
    check: Call = lambda: None
    lower: Call | None = None


def compare(sides: Sides, full: bool) -> Case:
    """Run both sides in turns, after one round that is not counted; ``full``: ours in float32 whatever is faster."""
    sides.check()
    ours, precision = sides.ours, "float32"
    if sides.lower is not None and not full and _pays(sides.lower, ours):
        ours, precision = sides.lower, "bfloat16"
    peaks = (peak_memory(ours), peak_memory(sides.reference)) if sides.computes else (0, 0)
    with _reference_process(sides.name) as reference:
        pairs = [(_seconds(ours), reference()) for _ in range(sides.rounds + 1)][1:]
    ratios = [theirs / own for own, theirs in pairs]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Case(
        name=sides.name,
        unit=sides.unit,
        ours=round(mine, 4),
        reference=round(other, 4),
        ratio=round(statistics.median(ratios), 2),
        spread=round(quartiles[2] - quartiles[0], 2),
        memory=peaks,
        limit=round(_operations(sides.ours) / _rate(), 4) if sides.computes else None,
        precision=precision,
        threads=torch.get_num_threads(),
        machine=f"{_processor()}, {os.cpu_count()} cores, torch {torch.__version__}",
    )


def _pays(lower: Call, full: Call) -> bool:
    """Whether the first is so much faster that kdkit would take it, after a run of each that is not counted."""
    lower()
    full()
    return LEAST_GAIN * _seconds(lower) <= _seconds(full)


@contextmanager
def _reference_process(name: str) -> Iterator[Callable[[], float]]:
    """A process that runs a case's reference each time it is asked to, and says how many seconds that took."""
    command = [sys.executable, __file__, name, "--threads", str(torch.get_num_threads()), "--serve"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    asked, told = process.stdin, process.stdout

    def seconds() -> float:
        print(file=asked, flush=True)
        return float(told.readline())

    try:
        yield seconds
    finally:
        asked.close()
        process.wait()


def label(rounds: int) -> Sides:
    """Labelling a clip of 176 frames with DeepLabV3-ResNet50."""
    reference = Teacher().eval()
    network = Framewise(build("resnet50"), MEAN, DEVIATION, 0, CHUNK).eval().requires_grad_(False)
    network.network.load_state_dict(reference.network.state_dict())
    lower = deepcopy(network).bfloat16()
    clip = _clip(1, 176, 112)

    def ours(network: torch.nn.Module = network) -> list[torch.Tensor]:
        return infer_logits(network, [clip.numpy()[0]], CPU)

    def check() -> None:
        _check_equal(torch.stack(ours()), reference(clip[0])[None])

    return Sides(
        "label", "s a clip", ours, lambda: reference(clip[0]), rounds, check=check, lower=partial(ours, lower)
    )


def train(rounds: int) -> Sides:
    """A step of training of the paper's student, three blocks of three layers: 8 windows of 25 frames, 56 x 56."""
    network, reference = _students()
    clips, targets = _clip(8, WINDOW, 56), torch.rand(8, WINDOW, 56, 56)

    def step(student: torch.nn.Module, lower: bool = False) -> None:
        student.train().zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            logits = student(clips)
        torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets).backward()

    return Sides(
        "train",
        "s a step",
        lambda: step(network),
        lambda: step(reference),
        rounds,
        lower=lambda: step(network, lower=True),
    )


def train_default(rounds: int) -> Sides:
    """A step of training of the default student: 16 windows of 2 frames, 112 x 112, and the optimiser's.

    The reference is the same network with torch's own batch normalisation and interpolation, skips joined by a copy,
    and AdamW as it is by default, with which that student needs about twice the steps.
    """
    network, reference = ConvLSTMUNet(4, 1), ConvLSTMUNet(4, 1)
    reference._enlarge = partial(torch.nn.functional.interpolate, mode="bilinear")
    for block in list(reference.modules()):
        for name, layer in block.named_children():
            if isinstance(layer, BatchNorm):
                setattr(block, name, torch.nn.BatchNorm2d(layer.num_features))
            if isinstance(layer, MergingConvolution):
                layer.forward = partial(_merge_plainly, layer)
    reference.load_state_dict(network.state_dict())
    clips, targets = _clip(16, 2, 112), torch.rand(16, 2, 112, 112)
    ours, theirs = Muon(*split_parameters(network), 1e-3, 0.01, fused=True), torch.optim.AdamW(reference.parameters())

    def step(student: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        student.train()
        torch.nn.functional.binary_cross_entropy_with_logits(student(clips), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Sides(
        "train-default", "s a step", lambda: step(network, ours), lambda: step(reference, theirs), 10 * rounds
    )


def predict(rounds: int) -> Sides:
    """The same student on a clip of 176 frames, without gradients on both sides."""
    network, reference = _students()
    network.eval()
    reference.eval()
    clip = _clip(1, 176, 112)

    def plain() -> torch.Tensor:
        with torch.no_grad():
            return reference(clip)

    def ours(lower: bool = False) -> list[torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            return infer_logits(network, [clip.numpy()[0]], CPU)

    def check() -> None:
        _check_equal(torch.stack(ours()), plain())

    return Sides("predict", "s a clip", ours, plain, rounds, check=check, lower=lambda: ours(lower=True))


def peak(rounds: int) -> Sides:
    """What this machine can do: seconds for 2 * 10^10 float32 operations of matrix products, against bfloat16's."""
    return Sides("peak", "s", _products(torch.float32), _products(torch.bfloat16), rounds, computes=False)


def window(rounds: int) -> Sides:
    """A training item, a window of 25 frames with its target, out of a store against AVI and npz."""
    import cv2

    frames = _clip(1, 176, 112)[0].numpy()
    target = np.random.default_rng(1).integers(0, 256, frames.shape, np.uint8)
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    scratch = Path(folder.name)
    clip, packed = scratch / "clip.avi", scratch / "target.npz"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 50, (112, 112))
    for frame in frames:
        writer.write(np.repeat(frame[..., None], 3, -1))
    writer.release()
    np.savez_compressed(packed, target=target)
    store = ShardStore(scratch / "store")
    store.write(0, [Record({"inputs": frames, "target": target})])

    def ours() -> object:
        return [store.read(0, name, slice(40, 40 + WINDOW)) for name in ("inputs", "target")]

    return Sides("window", "s an item", ours, lambda: read_item(clip, packed, 40), 10 * rounds, computes=False)


def start(rounds: int) -> Sides:
    """``kdkit --help`` against Python that imports torch."""
    help_command = [str(Path(sys.executable).with_name("kdkit")), "--help"]

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, capture_output=True)

    plain = [sys.executable, "-c", "import torch"]
    return Sides("start", "s", lambda: run(help_command), lambda: run(plain), rounds, computes=False)


CASES: dict[str, Callable[[int], Sides]] = {
    "label": label,
    "train": train,
    "train-default": train_default,
    "predict": predict,
    "window": window,
    "start": start,
    "peak": peak,
}


def main() -> None:
    """The cases named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--full", action="store_true", help="ours in float32, also where bfloat16 is faster")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.serve:
        _serve_reference(CASES[options.cases[0]](options.rounds))
        return
    keep_freed_memory()  # as every command that computes does
    results = []
    for name in options.cases or CASES:
        results.append(compare(CASES[name](options.rounds), options.full))
        print(json.dumps(asdict(results[-1])), flush=True)
    for line in _table(results):
        print(line)


def _serve_reference(sides: Sides) -> None:
    """Run it once for each line that is read, and print the seconds."""
    for _ in sys.stdin:
        print(_seconds(sides.reference), flush=True)


def _students() -> tuple[PaperConvLSTM, Student]:
    network, reference = PaperConvLSTM(3, 3), Student(3, 3)
    reference.take_weights(network.state_dict())
    return network, reference


def _merge_plainly(layer: MergingConvolution, frames: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """A convolution over enlarged frames beside those of a skip, as anybody would write it."""
    enlarged = torch.nn.functional.interpolate(frames, scale_factor=2, mode="nearest")
    return torch.nn.functional.conv2d(torch.cat([enlarged, skip], 1), layer.weight, padding=1)


def _clip(batch: int, frames: int, side: int) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (batch, frames, side, side), np.uint8)
    return torch.from_numpy(values)


def _check_equal(ours: torch.Tensor, reference: torch.Tensor) -> None:
    """Raises AssertionError unless both sides compute the same, within rounding."""
    torch.testing.assert_close(ours, reference.detach(), rtol=1e-3, atol=1e-3)


def _products(dtype: torch.dtype) -> Call:
    """PRODUCTS operations of products of matrices."""
    left, right = (torch.rand(SIDE, SIDE).to(dtype) for _ in range(2))

    def multiply() -> None:
        for _ in range(round(PRODUCTS / (2 * SIDE**3))):
            left @ right

    return multiply


@cache
def _rate() -> float:
    """float32 operations a second of large products of matrices."""
    multiply = _products(torch.float32)
    return PRODUCTS / statistics.median(_seconds(multiply) for _ in range(5))


def _operations(call: Call) -> int:
    """Of convolutions and products of matrices, a product and a sum counted as two."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def _seconds(call: Call) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _table(results: list[Case]) -> Iterator[str]:
    yield f"{'case':<15}{'ours':>10}{'limit':>10}{'reference':>12}{'ratio':>8}{'spread':>8}{'memory':>16}"
    for case in results:
        memory = " / ".join(f"{size / 1e6:.0f}" for size in case.memory) + " MB" if any(case.memory) else ""
        limit = "" if case.limit is None else f"{case.limit:.4g}"
        yield (
            f"{case.name:<15}{case.ours:>10.4g}{limit:>10}{case.reference:>12.4g}{case.ratio:>8.2f}{case.spread:>8.2f}"
            f"{memory:>16}  {case.unit}{', ' + case.precision if case.precision != 'float32' else ''}"
        )


if __name__ == "__main__":
    main()
