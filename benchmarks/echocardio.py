"""How fast clips are simulated, and predicted by teacher and student: python benchmarks/echocardio.py"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from kdkit_echocardio.generator import Phantom
from kdkit_echocardio.student import ConvLSTM
from kdkit_echocardio.teacher import DeepLabV3

FRAMES, RUNS = 32, 5


def frames_a_second(operation: Callable[[], object]) -> float:
    """Median over several runs, after one that is not counted."""
    operation()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        operation()
        times.append(time.perf_counter() - start)
    return FRAMES / statistics.median(times)


def main() -> None:
    generator = Phantom(Phantom.Options(frames=FRAMES))
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads; frames a second")
    print(f"phantom, one process   {frames_a_second(lambda: list(generator.generate([0]))):8.0f}")
    clip = torch.from_numpy(np.stack([sample.inputs for sample in generator.generate([0])]))
    for name, component in (("deeplabv3, embedded", DeepLabV3()), ("convlstm, default", ConvLSTM())):
        network = component.build().eval()
        with torch.inference_mode():
            print(f"{name:<22} {frames_a_second(lambda network=network: network(clip)):8.0f}")


if __name__ == "__main__":
    main()
