"""The digits student from every source, over several seeds: python benchmarks/digits.py [--only noise ...]

Prints the table of docs/digits.md: accuracy on the 899 held-out real digits, mean and deviation over the seeds, the
share of the teacher's that is kept, and the seconds that generating, labelling and training took. Finished
runs lie in runs/benchmark-digits and are not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, TEACHER, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-digits")
COMMON = ["controls=[]", "objective.name=kl", "objective.temperature=1", "training.learning_rate=0.006"]
FEW = ["samples.train=800", "samples.validation=98", "training.epochs=150", "training.batch_size=128"]
MANY = ["samples.train=6000", "samples.validation=500", "training.epochs=20", "training.batch_size=128"]
SOURCES = {
    "real digits, unlabelled": ["generator.name=digits-unlabelled", *FEW],
    "noise": ["generator.name=noise", "generator.shape=[8,8]", *MANY],
    "strokes": ["generator.name=digits-strokes", *MANY],
    "inversion": [
        "generator={name: inversion, shape: [8, 8], batch_norm: 0, steps: 20}",
        "samples.train=2000",
        "samples.validation=250",
        "training.epochs=40",
        "training.batch_size=128",
    ],
    "adversarial": [
        "generator={name: adversarial, shape: [8, 8], distance: kl}",
        "samples.train=12800",
        "samples.validation=512",
        "training.epochs=30",
        "training.batch_size=128",
    ],
}


def run_source(source: str, seed: int) -> tuple[float, float, float]:
    """The teacher's accuracy and the student's, and the seconds up to the trained student."""
    experiment = load_experiment(discover(), "digits", None, [*COMMON, *SOURCES[source], f"seed={seed}"])
    folder = choose_folder(ROOT, "digits", experiment.identity(), None)
    run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="evaluate")
    scores = json.loads(folder.scores_file.read_text(encoding="utf-8"))
    seconds = folder.manifest()["seconds"]
    run_seconds = sum(seconds.get(stage, 0.0) for stage in ("generate", "label", "distill"))
    return scores[TEACHER]["accuracy"]["value"], scores[STUDENT]["accuracy"]["value"], run_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    print(f"seeds {arguments.seeds}, Python {sys.version.split()[0]}, torch {torch.__version__}\n")
    print("| student distilled on | accuracy | of the teacher's | seconds |\n|---|---|---|---|")
    for source in arguments.only:
        teachers, students, seconds = zip(*(run_source(source, seed) for seed in arguments.seeds), strict=True)
        spread = statistics.stdev(students) if len(students) > 1 else 0.0
        accuracy = f"{statistics.mean(students):.4f} ± {spread:.4f}"
        share_kept = statistics.mean(students) / statistics.mean(teachers)
        print(f"| {source} | {accuracy} | {share_kept:.1%} | {statistics.mean(seconds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
