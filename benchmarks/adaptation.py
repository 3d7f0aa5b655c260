"""What self-training on unlabelled clips is worth: python benchmarks/adaptation.py [--clips FOLDER] [--data FOLDER]

Trains students of the recipe ``echocardio-adapted`` on the same number of samples and steps: on simulated hearts;
on these and a folder of simulated clips, which adds frames and nothing else; on these and a folder of unlabelled
clips as the teacher answers each frame; and with the answers made to agree over the beat and doubtful frames left
out, as the recipe does it. Without --clips the folder is made: simulated hearts as another scanner shows them,
smoother and with another grey curve. Prints DICE at end-diastole and end-systole on other hearts of that scanner,
on simulated ones, and with --data on labelled recordings, as mean and deviation over seeds, differences paired, and
the teacher's. The folder of --data is only measured on.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from kdkit_echocardio.clips.encode import write_mp4
from kdkit_echocardio.phantom import simulate
from kdkit_echocardio.recorded import Recordings
from kdkit_echocardio.teacher import DeepLabV3

import kdkit
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import STUDENT, choose_folder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

ROOT = Path("runs/benchmark-adaptation")
SIMULATED = ROOT / "simulated"
ARMS = {
    "simulated hearts alone": ["generator={name: phantom, frames: 2}"],
    "and a folder of simulated clips": [f"generator.members.1.path={SIMULATED}"],
    "and the folder, every frame": ["teacher.median=1", "teacher.certainty=0"],
    "and the folder, agreed and certain": [],
}
SETTINGS = ["samples.validation=32", "samples.evaluation=2", "evaluation.metrics=[dice]", "controls=[]"]
# The random streams of the folder's hearts and of those that are measured on; and frames of a clip.
FOLDER_STREAM, MEASURED_STREAM, FRAMES = 41, 42, 32
Case = tuple[np.ndarray, np.ndarray, list[int]]
"""Pictures uint8 and cavities bool of a clip, (T, H, W) both, and the frames that are measured."""


def other_scanner(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 (T, H, W) as another scanner shows them."""
    curve = np.linspace(0, 1, 256)
    curve = np.clip(0.12 + 0.88 * curve**0.6 - 0.1 * np.sin(2 * np.pi * curve), 0, 1)
    seen = [cv2.GaussianBlur(cv2.LUT(frame, (255 * curve).astype(np.uint8)), (0, 0), 1.4) for frame in frames]
    return np.stack(seen) * (frames.max(0) > 0)


def write_folder(folder: Path, clips: int, show: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Unlabelled clips as ``show`` makes them of simulated ones, as videos."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(clips):
        path = folder / f"clip{number:03d}.mp4"
        if not path.exists():
            clip = simulate(np.random.default_rng([FOLDER_STREAM, number]), frames=FRAMES)
            write_mp4(path, np.repeat(show(clip.frames)[..., None], 3, axis=-1), clip.fps)
    return folder


def simulated(clips: int) -> list[Case]:
    """Frames, cavities, and the first end-diastole and end-systole of clips that show both."""
    drawn = [simulate(np.random.default_rng([MEASURED_STREAM, number]), frames=FRAMES) for number in range(clips)]
    return [(clip.frames, clip.mask, [clip.ed[0], clip.es[0]]) for clip in drawn if clip.ed and clip.es]


def recorded(folder: Path, pick: str) -> list[Case]:
    """The same of labelled recordings; stills of four frames each, as the domain puts them to a network."""
    cases = []
    for sample in (source := Recordings(Recordings.Options(path=folder))).generate(range(source.count())):
        number = int("".join(filter(str.isdigit, str(sample.info["patient"]))) or 0)
        if pick == "all" or pick == ("odd" if number % 2 else "even"):
            frames = [int(frame) for frame in sample.truth["mask_frames"]]
            cavities = dict(zip(frames, sample.truth["mask"] > 0, strict=True))
            for frame, cavity in cavities.items():
                cases.append((np.repeat(sample.inputs[[frame]], 4, 0), np.repeat(cavity[None], 4, 0), [3]))
    return cases


def teach(clips: np.ndarray) -> np.ndarray:
    """The embedded teacher's probabilities."""
    with torch.inference_mode():
        return np.asarray(DeepLabV3().build().eval()(torch.from_numpy(clips)).sigmoid())


def dice(predict: Callable[[np.ndarray], np.ndarray], cases: list[Case]) -> float:
    """The mean over labelled frames of what ``predict`` makes of clips (1, T, H, W)."""
    values = []
    for frames, cavities, labelled in cases:
        predicted = predict(frames[None])[0][labelled] > 0.5
        true = cavities[labelled]
        values += list(2 * (predicted & true).sum((1, 2)) / np.maximum((predicted.sum((1, 2)) + true.sum((1, 2))), 1))
    return float(np.mean(values))


def distill(settings: list[str], seed: int) -> kdkit.api.LoadedStudent:
    """The trained student of one arm."""
    experiment = load_experiment(discover(), "echocardio-adapted", None, [*SETTINGS, *settings, f"seed={seed}"])
    folder = choose_folder(ROOT, "adapted", experiment.identity(), None)
    run_stages(Run(experiment, folder, ROOT / "store", Silence()), last="distill")
    return kdkit.load_student(folder.model(STUDENT))


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values) if len(values) > 1 else 0.0:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips", type=Path, help="folder of unlabelled clips to train on (default: made)")
    parser.add_argument("--made", type=int, default=24, help="clips of the folder that is made")
    parser.add_argument("--data", type=Path, help="labelled recordings to measure on")
    parser.add_argument("--pick", choices=["all", "odd", "even"], default="all", help="patients of --data")
    parser.add_argument("--measured", type=int, default=40, help="simulated clips to measure on")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting of the recipe")
    arguments = parser.parse_args()
    # Threads of a small network only wait for one another.
    torch.set_num_threads(1)
    os.environ["ECHOCARDIO_CLIPS"] = str(
        arguments.clips or write_folder(ROOT / "clips", arguments.made, other_scanner)
    )
    write_folder(SIMULATED, arguments.made, lambda frames: frames)
    hearts = simulated(arguments.measured)
    shown = [(other_scanner(frames), masks, labelled) for frames, masks, labelled in hearts]
    measured = {"another scanner": shown, "simulated": hearts}
    if arguments.data:
        measured[f"{arguments.data.name}, {arguments.pick}"] = recorded(arguments.data, arguments.pick)
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(arguments.seeds):
        for arm, settings in ARMS.items():
            student = distill([*settings, *arguments.settings], seed)
            results[arm].append({name: dice(student.predict, cases) for name, cases in measured.items()})
            print(arm, seed, {name: round(value, 4) for name, value in results[arm][-1].items()}, flush=True)
    first, *_ = results.values()
    print(f"\n| trained on | {' | '.join(f'{name} | difference' for name in measured)} |")
    print("|---" * (2 * len(measured) + 1) + "|")
    for arm, runs in results.items():
        cells = []
        for name in measured:
            gains = [run[name] - own[name] for run, own in zip(runs, first, strict=True)]
            cells += [spread([run[name] for run in runs]), "" if runs is first else spread(gains)]
        print(f"| {arm} | {' | '.join(cells)} |")
    print(f"| the teacher itself | {' | '.join(f'{dice(teach, cases):.3f} | ' for cases in measured.values())} |")


if __name__ == "__main__":
    main()
