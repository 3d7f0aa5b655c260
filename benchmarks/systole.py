"""How well a teacher sees systole: python benchmarks/systole.py [WEIGHTS ...] [--clips N] [--data FOLDER]

Masks at end-diastole and end-systole of the embedded teacher, and of its network or the one for whole clips (as each
file says) with other weights, on simulated hearts that no training has seen and on the labelled stills or clips of
FOLDER (CAMUS, say): DICE, areas, and ejection fractions by area, with 95 % intervals over hearts (percentile
bootstrap), and what the embedded teacher has more than each other one, paired. ``--pick``: only patients whose number
is odd or even. The last lines say how well borders can be seen: the probability that a pixel just outside the true
one is brighter than one just inside it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from kdkit_echocardio.geometry import WALLS, border_errors
from kdkit_echocardio.phantom import simulate
from kdkit_echocardio.recorded import Recordings
from kdkit_echocardio.teacher import DeepLabV3
from safetensors import safe_open
from scipy.ndimage import distance_transform_edt
from scipy.stats import mannwhitneyu

# The random stream of these hearts: no generator's, no training's.
STREAM = 31
# Border bands that are compared, in pixels from the border of a cavity of AREA pixels; they grow with the cavity.
NEAR, FAR, AREA = 0.5, 4.0, 1225


class Pair(NamedTuple):
    """The end-diastole and end-systole of a heart.

    ``clip``: uint8 (T, H, W), two stills where T is 2; ``chosen``: the two frames in it; ``true``: their cavities,
    bool (2, H, W); ``spacing``: millimetres per pixel.
    """

    clip: np.ndarray
    chosen: list[int]
    true: np.ndarray
    spacing: float


def simulated_pairs(clips: int) -> list[Pair]:
    """The first end-diastole and end-systole of simulated clips of 32 frames that show both."""
    pairs = []
    for index in range(clips):
        clip = simulate(np.random.default_rng([STREAM, index]), frames=32)
        if clip.ed and clip.es:
            chosen = [clip.ed[0], clip.es[0]]
            pairs.append(Pair(clip.frames, chosen, clip.mask[chosen], clip.spacing_mm))
    return pairs


def recorded_pairs(folder: Path, pick: str) -> list[Pair]:
    """The labelled end-diastole and end-systole of each recording."""
    recordings = Recordings(Recordings.Options(path=folder))
    pairs = []
    for sample in recordings.generate(range(recordings.count())):
        number = int((re.findall(r"\d+", str(sample.info["patient"])) or ["0"])[-1])
        if pick != "all" and pick != ("odd" if number % 2 else "even"):
            continue
        chosen = [int(sample.truth[phase][0]) for phase in ("ed", "es")]
        place = [list(sample.truth["mask_frames"]).index(frame) for frame in chosen]
        spacing = sample.info.get("spacing_mm") or np.nan
        pairs.append(Pair(sample.inputs, chosen, sample.truth["mask"][place] > 0, float(spacing)))
    return pairs


def backbone_of(weights: Path) -> str:
    """The network that the file was written for."""
    with safe_open(weights, "pt") as file:
        return str((file.metadata() or {}).get("backbone", "compact"))


def measured(weights: Path | None, pairs: Sequence[Pair]) -> np.ndarray:
    """A row for each heart: DICE, areas as shares of the true ones, EF predicted and true (%), walls at ES (mm)."""
    backbone = backbone_of(weights) if weights else None
    network = DeepLabV3(DeepLabV3.Options(weights=weights, backbone=backbone)).build().eval()
    rows = []
    for pair in pairs:
        true, spacing = pair.true, pair.spacing
        if backbone == "temporal" and len(pair.clip) > 2:
            clips, frames = pair.clip[None], [(0, frame) for frame in pair.chosen]
        else:  # each still alone
            clips, frames = pair.clip[pair.chosen][:, None], [(0, 0), (1, 0)]
        with torch.inference_mode():
            masks = (network(torch.from_numpy(clips)) > 0).numpy()
        predicted = np.stack([masks[frame] for frame in frames])
        sizes, areas = predicted.sum((1, 2)), true.sum((1, 2))
        dice = 2.0 * (predicted & true).sum((1, 2)) / np.maximum(sizes + areas, 1)
        fractions = [100.0 * max(0.0, 1.0 - pair[1] / max(pair[0], 1)) for pair in (sizes, areas)]
        walls = spacing * border_errors(predicted[1], true[1])
        lateral, apex = np.nanmean(walls[WALLS.index("lateral-apical") :][:3]), walls[WALLS.index("apex")]
        rows.append([*dice, *(sizes / np.maximum(areas, 1)), *fractions, lateral, apex])
    return np.array(rows)


FIGURES: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "DICE": (".3f", lambda rows: float(rows[:, :2].mean())),
    "DICE at end-diastole": (".3f", lambda rows: float(rows[:, 0].mean())),
    "DICE at end-systole": (".3f", lambda rows: float(rows[:, 1].mean())),
    "area at end-diastole, predicted / true": (".2f", lambda rows: float(rows[:, 2].mean())),
    "area at end-systole": (".2f", lambda rows: float(rows[:, 3].mean())),
    "area at end-systole, median": (".2f", lambda rows: float(np.median(rows[:, 3]))),
    "ejection fraction by area: slope": (".2f", lambda rows: float(np.polyfit(rows[:, 5], rows[:, 4], 1)[0])),
    "r": (".2f", lambda rows: float(np.corrcoef(rows[:, 4], rows[:, 5])[0, 1])),
    "bias, points": (".1f", lambda rows: float((rows[:, 4] - rows[:, 5]).mean())),
    "mean absolute error, points": (".1f", lambda rows: float(np.abs(rows[:, 4] - rows[:, 5]).mean())),
    "lateral wall at end-systole, mm": (".1f", lambda rows: float(np.nanmean(rows[:, 6]))),
    "apex at end-systole, mm": (".1f", lambda rows: float(np.nanmean(rows[:, 7]))),
}


def interval(figure: Callable[[np.ndarray], float], tables: Sequence[np.ndarray], style: str) -> str:
    """A figure of a table, or what it is of the second more than of the first, with its interval."""
    draws = np.random.default_rng(0).integers(0, len(tables[0]), (1000, len(tables[0])))

    def value(rows: np.ndarray | slice) -> float:
        values = [figure(table[rows]) for table in tables]
        return values[-1] - (values[0] if len(values) > 1 else 0.0)

    low, high = np.percentile([value(draw) for draw in draws], (2.5, 97.5))
    return f"{value(slice(None)):{style}} ({low:{style}} to {high:{style}})"


def visibility(picture: np.ndarray, cavity: np.ndarray) -> float:
    """The probability that a pixel just outside the cavity is brighter than one just inside."""
    scale = np.sqrt(cavity.sum() / AREA)
    distance = np.where(cavity, -distance_transform_edt(cavity), distance_transform_edt(~cavity)) / scale
    outside = picture[(distance > NEAR) & (distance < FAR)]
    inside = picture[(distance < -NEAR) & (distance > -FAR)]
    return float(mannwhitneyu(outside, inside).statistic / (outside.size * inside.size))


def report(name: str, pairs: Sequence[Pair], teachers: Sequence[Path | None]) -> None:
    """The table of one set of hearts."""
    tables = [measured(weights, pairs) for weights in teachers]
    names = [weights.stem if weights else "embedded" for weights in teachers]
    print(f"\n{name}: {len(pairs)} hearts\n\n| | {' | '.join(names + [f'embedded - {one}' for one in names[1:]])} |")
    print("|---" * (2 * len(names)) + "|")
    for label, (style, figure) in FIGURES.items():
        cells = [interval(figure, [table], style) for table in tables]
        cells += [interval(figure, [table, tables[0]], style) for table in tables[1:]]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)
    for place, phase in enumerate(("end-diastole", "end-systole")):
        shown = [(pair.clip[pair.chosen[place]], pair.true[place]) for pair in pairs]
        seen = [visibility(picture, cavity) for picture, cavity in shown if cavity.any()]
        low, middle, high = np.percentile(seen, (10, 50, 90))
        print(f"border visible at {phase}: {middle:.2f} in the median, {low:.2f} and {high:.2f} at the tenths")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", type=Path, help="compared with the embedded teacher")
    parser.add_argument("--clips", type=int, default=160, help="simulated clips; 0 for none")
    parser.add_argument("--data", type=Path, help="folder of labelled recordings")
    parser.add_argument("--pick", choices=["all", "odd", "even"], default="all", help="patients of --data")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    teachers = [None, *arguments.weights]
    if arguments.clips:
        report("simulated", simulated_pairs(arguments.clips), teachers)
    if arguments.data:
        report(f"{arguments.data.name}, {arguments.pick}", recorded_pairs(arguments.data, arguments.pick), teachers)


if __name__ == "__main__":
    main()
