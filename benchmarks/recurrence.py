"""What the student's memory is worth: python benchmarks/recurrence.py [--seeds N] [--set KEY=VALUE ...]

Prints the table of docs/embedded.md: the default student of echocardio against the same network whose recurrence is
cut, so that it sees each frame alone, in training as in evaluation. Both learn from the same samples and targets of
each seed, and begin with the same weights; differences are paired by seed. Samples and targets are made once for each
seed, in runs/benchmark-recurrence.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from kdkit_echocardio.networks.convlstm import ConvLSTMLayer, Memory

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-recurrence")
METRICS = ("dice", "dice-ed", "dice-es", "ef-area-r", "ef-area-mae")
SETTINGS = [
    "samples.train=480",
    "samples.validation=32",
    "samples.evaluation=112",
    "training.epochs=6",
    f"evaluation.metrics=[{', '.join(METRICS)}]",
    "controls=[]",
]


def forward_without_memory(
    layer: ConvLSTMLayer, frames: torch.Tensor, steps: int, states: Memory | None = None
) -> torch.Tensor:
    """The layer on frames (N, inputs, H, W), each as if it were the first of its clip."""
    return layer.cell.step(layer.cell.from_inputs(frames), None)[0]


@contextmanager
def cut_recurrence(cut: bool) -> Iterator[None]:
    """All ConvLSTM layers without memory for a while."""
    forward = ConvLSTMLayer.forward
    if cut:
        ConvLSTMLayer.forward = forward_without_memory
    try:
        yield
    finally:
        ConvLSTMLayer.forward = forward


def scores(variant: str, settings: list[str], seed: int) -> dict[str, float]:
    """The student's value of each metric. The variant is no part of a recipe: each has run folders of its own."""
    experiment = load_experiment(discover(), "echocardio", None, [*SETTINGS, *settings, f"seed={seed}"])
    folder = choose_folder(ROOT / variant, "echocardio", experiment.identity(), None)
    with cut_recurrence(variant == "cut"):
        run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="evaluate")
    student = json.loads(folder.scores_file.read_text(encoding="utf-8"))[STUDENT]
    return {metric: math.nan if (value := student[metric]["value"]) is None else value for metric in METRICS}


def spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting of the recipe")
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    results = {
        variant: [scores(variant, arguments.settings, seed) for seed in range(arguments.seeds)]
        for variant in ("kept", "cut")
    }
    print(f"{arguments.seeds} seeds\n\n| | with memory | without | difference |\n|---|---|---|---|")
    for metric in METRICS:
        kept, cut = ([one[metric] for one in results[variant]] for variant in ("kept", "cut"))
        gains = [first - second for first, second in zip(kept, cut, strict=True)]
        print(f"| {metric} | {spread(kept)} | {spread(cut)} | {spread(gains)} |")


if __name__ == "__main__":
    main()
