"""How time and memory grow with clips and with frames: ``python benchmarks/growth.py [--quick] [--out FIGURE]``.

The default recipe's teacher labels simulated clips, its student is trained on them for one epoch, in windows of two
frames, and predicts them, on one thread: with 24 clips of 4 frames, with 3 and 10 times as many clips, and with 3
and 10 times as many frames. Beside them lie 4 clips of validation and 4 of evaluation, which are labelled, too. Each
piece of work has a process of its own, and so a peak of memory of its own. One JSON line for each: ``seconds`` of
processor time, without the start of the process; ``memory``, the most that it held, in MiB, with the libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from kdkit_echocardio.paper import chart, svg

from kdkit.engine.sample_inference import infer_samples
from kdkit.engine.training import distill as _imported_before_the_clock_starts  # noqa: F401
from kdkit.plugins.calls import call
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs import environment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stage
from kdkit.store.shards import ShardStore, shard_length, split

CLIPS, FRAMES, FACTORS = 24, 4, (1, 3, 10)
GENERATE, LABEL, TRAIN, PREDICT = "generate", "label", "train", "predict"
WORKS = (LABEL, TRAIN, PREDICT)
# What grows, and its value where it does not.
AXES = {"clips": CLIPS, "frames": FRAMES}
# The stages that some of the works are.
STAGES = {GENERATE: "generate", LABEL: "label", TRAIN: "distill"}


def open_run(folder: Path, clips: int, frames: int) -> Run:
    """The default recipe with so many training clips of so many frames, on one core."""
    settings = [
        f"generator.frames={frames}",
        f"samples={{train: {clips}, validation: 4, evaluation: 4}}",
        "evaluation.generator=null",
        "controls=[]",
        "training.epochs=1",
        "trainer={accelerator: cpu, devices: 1, workers: 1}",
    ]
    experiment = load_experiment(discover({}), "echocardio", None, settings)
    return Run(experiment, RunFolder(folder / "run"), folder / "store", Silence())


def work(name: str, folder: Path, clips: int, frames: int) -> None:
    """Do one piece of work in this process, and print what it took."""
    torch.set_num_threads(1)
    run = open_run(folder, clips, frames)
    start = time.process_time()
    if name == PREDICT:
        predict(run, folder)
    else:
        run_stage(run, STAGES[name])
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(json.dumps({"name": name, "seconds": round(seconds, 2), "memory": round(memory)}))


def predict(run: Run, folder: Path) -> None:
    """The student's predictions of the training clips, by what predicts the evaluation's in a run."""
    part = run.arms[0].training
    assert part is not None
    experiment, samples = run.experiment, part.split.samples
    length = shard_length(samples.store.record(part.split.start))
    with Silence().work(PREDICT, "", len(part.split), "samples") as bar:
        infer_samples(
            call(experiment.student.build),
            samples,
            split([(part.split.start, part.split.stop)], length),
            ShardStore(folder / "predictions"),
            experiment.domain.activation,
            experiment.recipe.trainer,
            bar,
        )


def measure(clips: int, frames: int) -> Iterator[dict[str, Any]]:
    """Every work on so many clips of so many frames, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (GENERATE, *WORKS):
            command = [sys.executable, __file__, "--work", name, folder, str(clips), str(frames)]
            one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, env=one_thread, check=True, stdout=subprocess.PIPE, text=True)
            if name != GENERATE:
                yield {"clips": clips, "frames": frames, **json.loads(done.stdout.splitlines()[-1])}


def draw(lines: list[dict[str, Any]], out: Path) -> None:
    """Processor time above, memory below; clips on the left, frames on the right."""
    with chart(9, 6, rows=2, columns=2) as (figure, axes):
        for column, (axis, least) in enumerate(AXES.items()):
            fixed = {other: value for other, value in AXES.items() if other != axis}
            shown = [line for line in lines if all(line[other] == value for other, value in fixed.items())]
            for row, (quantity, unit) in enumerate({"seconds": "processor seconds", "memory": "peak, MiB"}.items()):
                for name in WORKS:
                    own = sorted((line[axis] / least, line[quantity]) for line in shown if line["name"] == name)
                    axes[row, column].plot(*zip(*own, strict=True), marker="o", label=name)
                top = 1.1 * max(line[quantity] for line in shown)
                axes[row, column].set(ylabel=unit, ylim=(0, top), xlim=(0, None))
            axes[1, column].set_xlabel(f"times {least} {axis}")
        axes[0, 0].legend(frameon=False, fontsize=8)
        out.write_bytes(svg(figure))


def main() -> None:
    """One JSON line for each work on each size, one with the machine, and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only up to 3 times as much: to see that it works")
    parser.add_argument("--out", type=Path, help="write the figure here, as SVG")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        name, folder, clips, frames = options.work
        work(name, Path(folder), int(clips), int(frames))
        return
    factors = FACTORS[:2] if options.quick else FACTORS
    sizes = dict.fromkeys([(CLIPS * factor, FRAMES) for factor in factors] + [(CLIPS, FRAMES * f) for f in factors])
    lines = []
    for size in sizes:
        for line in measure(*size):
            lines.append(line)
            print(json.dumps(line), flush=True)
    print(
        json.dumps(
            {"machine": environment.hardware()["processor"], "cores": os.cpu_count(), "torch": torch.__version__}
        )
    )
    if options.out:
        draw(lines, options.out)


if __name__ == "__main__":
    main()
