"""How often intervals of ``kdkit predict`` hold the true ejection fraction: ``python benchmarks/ejection.py RUN``.

On simulated hearts that no run has seen. The table: how many clips get a number, how many of their intervals hold the
true ejection fraction (95 % is right), their width, and the same of the narrower and of the wider half. ``--out``: a
picture of interval against error.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.ejection import Ejection, area_ejection, discs_ejection
from kdkit_echocardio.geometry import area_curve, area_ejection_fraction, binarize, clean
from kdkit_echocardio.paper import INK, chart, svg
from kdkit_echocardio.phantom import simulate

import kdkit

# The random streams of these hearts: no generator's, no training's.
STREAM = 21
Pair = tuple[Ejection, float]


def measure(run: Path, clips: int, first: int) -> dict[str, list[Pair]]:
    """By the kind of size what is predicted, and the truth of the heart that is shown, percent."""
    student = kdkit.load_student(run)
    pairs: dict[str, list[Pair]] = {"areas": [], "discs": []}
    for index in range(first, first + clips):
        clip = simulate(np.random.default_rng([STREAM, index]), frames=32)
        probability = student.predict(clip.frames[None])[0]
        beats = find_beats(area_curve(clean(binarize(probability))), clip.fps)
        true = area_ejection_fraction(clip.mask, np.array(clip.ed, int), np.array(clip.es, int))
        if not np.isnan(true):
            pairs["areas"].append((area_ejection(probability, beats), true))
            pairs["discs"].append((discs_ejection(probability, beats), clip.ejection_fraction))
    return pairs


def row(name: str, pairs: list[tuple[Ejection, float]]) -> str:
    """A line of the table."""
    values = np.array([(e.value, e.low, e.high, true) for e, true in pairs], float).reshape(-1, 4)
    value, low, high, true = values.T
    held = (low <= true) & (true <= high)
    width, error = (high - low), value - true
    return (
        f"| {name} | {len(pairs)} | {100 * held.mean():.0f} % | {np.median(width):.0f} | {error.mean():+.1f} | "
        f"{np.abs(error).mean():.1f} |"
    )


def table(pairs: dict[str, list[Pair]]) -> str:
    lines = ["| | clips | intervals that hold the truth | median width | mean error | mean absolute error |"]
    lines.append("|---|---|---|---|---|---|")
    for kind, all_pairs in pairs.items():
        given = [pair for pair in all_pairs if pair[0].value is not None]
        middle = np.median([e.high - e.low for e, _ in given])  # type: ignore[operator]
        narrow = [pair for pair in given if pair[0].high - pair[0].low <= middle]  # type: ignore[operator]
        wide = [pair for pair in given if pair[0].high - pair[0].low > middle]  # type: ignore[operator]
        lines += [row(kind, given), row(f"{kind}, narrower half", narrow), row(f"{kind}, wider half", wide)]
        reasons = Counter(e.reason.partition(":")[0].rstrip("0123456789 ") for e, _ in all_pairs if e.value is None)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        lines.append(f"| {kind}, no number | {sum(reasons.values())} | {told} | | | |")
    return "\n".join(lines)


def picture(pairs: dict[str, list[Pair]]) -> bytes:
    """Of each kind the clips in order of their value: the interval about it, and the true ejection fraction."""
    with chart(9.0, 3.4, columns=2) as (figure, axes):
        for axis, (kind, all_pairs) in zip(axes, pairs.items(), strict=True):
            given = sorted((pair for pair in all_pairs if pair[0].value is not None), key=lambda pair: pair[0].value)
            place = np.arange(len(given))
            low, value, high = (np.array([getattr(e, name) for e, _ in given]) for name in ("low", "value", "high"))
            true = np.array([true for _, true in given])
            held = (low <= true) & (true <= high)
            axis.vlines(place, low - value, high - value, color=INK, linewidth=1, alpha=0.6)
            axis.scatter(place[held], (true - value)[held], s=8, color="#0072b2", label="truth, inside", zorder=2)
            axis.scatter(place[~held], (true - value)[~held], s=12, color="#d55e00", label="outside", zorder=2)
            axis.set(
                title=f"by {kind}", xlabel="clips, by predicted ejection fraction", ylabel="points from predicted"
            )
            axis.legend(frameon=False, fontsize=8)
        return svg(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run or of a student")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first heart")
    parser.add_argument("--out", type=Path, help="write the picture here, as SVG")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = measure(options.run, options.clips, options.first)
    print(table(pairs))
    if options.out:
        options.out.write_bytes(picture(pairs))


if __name__ == "__main__":
    main()
