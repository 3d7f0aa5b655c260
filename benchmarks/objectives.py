"""Each objective against baseline distillation, over several seeds: python benchmarks/objectives.py [--domain D]

Prints the table of docs/objectives.md: the student's score on the domain's first metric, mean and deviation over the
seeds. Samples and targets are made once for each seed, in runs/benchmark-objectives.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, TEACHER, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-objectives")
# Of convlstm and the embedded teacher, at an eighth of the frame size.
WALLS = "[encoder.2, network.backbone.8]"
PLAIN = "{name: kl, temperature: 1}"
# The first one is baseline distillation, which the others are compared with.
OBJECTIVES = {
    "digits": {
        "kl, T = 1": PLAIN,
        "kl, T = 4": "{name: kl, temperature: 4}",
        "mse on logits": "{name: mse}",
        "kl + 0.1 hint": f"[{PLAIN}, {{name: hint, weight: 0.1, layers: [[features.4, features.4]]}}]",
        "kl + attention": f"[{PLAIN}, {{name: attention, layers: [[features.3, features.3]]}}]",
    },
    "echocardio": {
        "soft-bce": "{name: soft-bce}",
        "soft-dice": "{name: soft-dice}",
        "soft-bce + 0.5 soft-dice": "[{name: soft-bce}, {name: soft-dice, weight: 0.5}]",
        "soft-bce + 0.1 hint": f"[{{name: soft-bce}}, {{name: hint, weight: 0.1, layers: [{WALLS}]}}]",
        "soft-bce + 0.1 attention": f"[{{name: soft-bce}}, {{name: attention, weight: 0.1, layers: [{WALLS}]}}]",
    },
}
SETTINGS = {
    "digits": [
        "generator.name=digits-strokes",
        "samples.train=6000",
        "samples.validation=500",
        "training.epochs=20",
        "controls=[]",
    ],
    "echocardio": [
        "samples.train=480",
        "samples.validation=32",
        "samples.evaluation=32",
        "training.epochs=6",
        "evaluation.metrics=[dice]",
        "controls=[]",
    ],
}


def scores(domain: str, objective: str, seed: int) -> dict[str, float]:
    """The first metric's value for each model."""
    settings = [*SETTINGS[domain], f"objective={objective}", f"seed={seed}"]
    experiment = load_experiment(discover(), domain, None, settings)
    folder = choose_folder(ROOT, domain, experiment.identity(), None)
    run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="evaluate")
    run_scores = json.loads(folder.scores_file.read_text(encoding="utf-8"))
    metric = next(iter(experiment.metrics))
    return {model: by_name[metric]["value"] for model, by_name in run_scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", choices=list(OBJECTIVES), default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    baseline: list[float] = []
    for name, objective in OBJECTIVES[arguments.domain].items():
        run_scores = [scores(arguments.domain, objective, seed) for seed in range(arguments.seeds)]
        students = [scores_of_seed[STUDENT] for scores_of_seed in run_scores]
        if not baseline:
            baseline = students
            teacher = statistics.mean(scores_of_seed[TEACHER] for scores_of_seed in run_scores)
            print(f"teacher {teacher:.4f}; {arguments.seeds} seeds\n")
            print("| objective | student | against the first |\n|---|---|---|")
        gains = [student - baseline for student, baseline in zip(students, baseline, strict=True)]
        spread = statistics.stdev(students) if len(students) > 1 else 0.0
        gain = f"{statistics.mean(gains):+.4f}" if students is not baseline else ""
        print(f"| {name} | {statistics.mean(students):.4f} ± {spread:.4f} | {gain} |", flush=True)


if __name__ == "__main__":
    main()
