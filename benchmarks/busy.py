"""What other programs on the same processor cost a step of training: python benchmarks/busy.py

Times a step of the default student, alone and beside as many endless loops as there are cores and one more: with
OpenMP's own waiting, with the shorter one that the command ``kdkit`` asks for, and on one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from kdkit.spinning import ROUNDS

WARM_UP = 3
SETTINGS = {"OpenMP's own": {}, "kdkit's": {"GOMP_SPINCOUNT": str(ROUNDS)}, "one thread": {"OMP_NUM_THREADS": "1"}}


def time_steps(count: int) -> None:
    """Print the median seconds of a step, in this process."""
    import torch
    from kdkit_echocardio.networks.unet import ConvLSTMUNet

    from kdkit.allocation import keep_freed_memory

    keep_freed_memory()
    network, clips = ConvLSTMUNet(4, 1), torch.zeros(16, 2, 112, 112, dtype=torch.uint8)
    seconds = []
    for _ in range(WARM_UP + count):
        start = time.perf_counter()
        network(clips).mean().backward()
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[WARM_UP:]))


def seconds_with(settings: dict[str, str], steps: int) -> float:
    command = [sys.executable, __file__, "--steps", str(steps), "--inner"]
    told = subprocess.run(command, env=os.environ | settings, check=True, capture_output=True, text=True)
    return float(told.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="steps of which the median is taken")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        time_steps(options.steps)
        return
    for loops in (0, (os.cpu_count() or 1) + 1):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
        try:
            for name, settings in SETTINGS.items():
                print(f"{loops} other loops, waiting {name:<12} {seconds_with(settings, options.steps):.3f} s a step")
        finally:
            for one in busy:
                one.kill()


if __name__ == "__main__":
    main()
