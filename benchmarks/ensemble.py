"""Whether an ensemble's weights help: python benchmarks/ensemble.py [--seeds N]

Prints the table of docs/teachers.md: the accuracy on the 899 held-out digits of students of the same three teachers,
with each target weighed by their agreement and without. The teachers are trained here, each on some digits of the
training half: on very many and few, or on a third each. Finished runs lie in runs/benchmark-ensemble and are not
repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from kdkit_digits.halves import training_half
from kdkit_digits.networks import teacher_network
from safetensors.torch import save_file

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, TEACHER, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-ensemble")
STEPS = 600
# What each member was trained on, of the 898 digits of the training half.
UNEQUAL = ((0, 898), (0, 100), (0, 50))
EQUAL = ((0, 299), (299, 598), (598, 898))
ARMS = {
    "one, trained on 898 digits": (UNEQUAL[:1], False),
    "three, on 898, 100 and 50 digits, `weigh: false`": (UNEQUAL, False),
    "three, on 898, 100 and 50 digits, `weigh: true`": (UNEQUAL, True),
    "three, on a third each, `weigh: false`": (EQUAL, False),
    "three, on a third each, `weigh: true`": (EQUAL, True),
}


def teacher(part: tuple[int, int], seed: int) -> Path:
    """The weights of a teacher that was trained on this part of the digits."""
    start, stop = part
    path = ROOT / f"teacher-{start}-{stop}-{seed}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        images, labels = (torch.from_numpy(array[start:stop]) for array in training_half())
        network = teacher_network()
        optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
        for _ in range(STEPS):
            batch = torch.randint(stop - start, (64,))
            loss = F.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        save_file(network.state_dict(), path)
    return path


def scores(parts: tuple[tuple[int, int], ...], weigh: bool, seed: int) -> tuple[float, float]:
    """The accuracy of the teacher, one or several, and of its student."""
    members = [f"{{name: digits-cnn, weights: {teacher(part, seed).resolve()}}}" for part in parts]
    ensemble = f"{{name: ensemble, activation: softmax, weigh: {weigh}, members: [{', '.join(members)}]}}"
    settings = [
        f"teacher={ensemble if len(members) > 1 else members[0]}",
        "objective.temperature=1",
        "controls=[]",
        f"seed={seed}",
    ]
    experiment = load_experiment(discover(), "digits", None, settings)
    folder = choose_folder(ROOT, "digits", experiment.identity(), None)
    run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="evaluate")
    run_scores = json.loads(folder.scores_file.read_text(encoding="utf-8"))
    return run_scores[TEACHER]["accuracy"]["value"], run_scores[STUDENT]["accuracy"]["value"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    print("| teacher | its accuracy | the student's |\n|---|---|---|")
    for name, (parts, weigh) in ARMS.items():
        teachers, students = zip(*(scores(parts, weigh, seed) for seed in range(arguments.seeds)), strict=True)
        cells = [
            f"{statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0:.4f}"
            for accuracies in (teachers, students)
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
