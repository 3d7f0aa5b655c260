"""Which source of clips serves best: python benchmarks/sources.py [--seeds 3] [--data LABELLED_CLIPS]

Distils the same student from the same teacher on simulated clips, on clips of the embedded diffusion model, and on
both, as many in all, and prints the table of docs/diffusion.md: DICE on simulated clips that no arm has seen,
and with --data on labelled recordings. Samples and targets are made once for each seed, in runs/benchmark-sources.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, TEACHER, RunFolder, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-sources")
PHANTOM, DIFFUSION = "{name: phantom, frames: 2}", "{name: echo-diffusion, frames: 2}"
ARMS = {
    "phantom": PHANTOM,
    "diffusion": DIFFUSION,
    "both": f"{{name: mix, members: [{PHANTOM}, {DIFFUSION}]}}",
}
SETTINGS = [
    "samples.validation=48",
    "samples.evaluation=64",
    "evaluation.metrics=[dice]",
    "trainer.workers=2",
    "controls=[]",
]


def distill_arm(arm: str, seed: int, samples: int, epochs: int) -> RunFolder:
    """The finished run of one arm."""
    budget = [f"samples.train={samples}", f"training.epochs={epochs}", f"seed={seed}"]
    experiment = load_experiment(discover(), "echocardio", None, [*SETTINGS, *budget, f"generator={ARMS[arm]}"])
    folder = choose_folder(ROOT, "echocardio", experiment.identity(), None)
    run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="evaluate")
    return folder


def on_phantoms(folder: RunFolder) -> dict[str, float]:
    """DICE of each model on the run's own evaluation clips."""
    run_scores = json.loads(folder.scores_file.read_text(encoding="utf-8"))
    return {model: by_name["dice"]["value"] for model, by_name in run_scores.items()}


def on_recordings(folder: RunFolder, data: Path) -> dict[str, float]:
    """Mean DICE of each model on labelled recordings."""
    command = [
        str(Path(sys.executable).with_name("kdkit")),
        "evaluate",
        str(folder.path),
        "--data",
        str(data),
        "--json",
    ]
    process = subprocess.run(
        [*command, "--metric", "dice"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    scores = json.loads(process.stdout)["scores"]
    return {model: groups["all"]["dice"]["value"] for model, groups in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=480, help="training clips of two frames")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--data", type=Path, help="labelled recordings, of any layout that kdkit reads")
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    arm_scores: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(arguments.seeds):
        for arm in ARMS:
            folder = distill_arm(arm, seed, arguments.samples, arguments.epochs)
            scores = {f"phantoms, {model}": dice for model, dice in on_phantoms(folder).items()}
            if arguments.data:
                scores |= {
                    f"recordings, {model}": dice for model, dice in on_recordings(folder, arguments.data).items()
                }
            arm_scores[arm].append(scores)
            print(arm, seed, {name: round(dice, 4) for name, dice in scores.items()}, file=sys.stderr, flush=True)
    columns = [name for name in arm_scores["phantom"][0] if name.endswith(STUDENT)]
    print("| distilled on | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for arm, runs in arm_scores.items():
        print(f"| {arm} | " + " | ".join(_spread([run[name] for run in runs]) for name in columns) + " |")
    teachers = [name for name in arm_scores["phantom"][0] if name.endswith(TEACHER)]
    cells = " | ".join(_spread([run[name] for run in arm_scores["phantom"]]) for name in teachers)
    print(f"| the teacher itself | {cells} |")


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
