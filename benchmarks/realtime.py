"""How fast a stream is segmented on one core without torch: python benchmarks/realtime.py [STEP.onnx]

Pictures of 640 x 480 go through examples/realtime: preprocessing, onnxruntime, beats and ejection fraction, each time
over the last six seconds. Without a file, the default student with random weights is exported first.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Before numpy and OpenCV read them.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

ROOT = Path(__file__).parents[1]
FRAMES, FPS, WARM_UP, LEAST = 10_000, 50.0, 500, 100.0

EXPORT = """
import sys, torch
from pathlib import Path
from kdkit.api import export_student
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student
experiment, folder = load_experiment(discover(), "echocardio", None, []), Path(sys.argv[1])
torch.manual_seed(0)
write_student(folder / "student", experiment.student.build(), experiment, {})
export_student(folder / "student", "onnx", folder / "onnx")
"""


def measure(file: str) -> None:
    """Print frames a second and how much memory was added over all frames."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it fails
    sys.path.insert(0, str(ROOT / "examples" / "realtime"))
    import cv2
    import numpy as np
    from realtime import Monitor

    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    monitor, rng = Monitor(file, FPS), np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 480, 640, 3), dtype=np.uint8)
    for number in range(WARM_UP):
        monitor.show(pictures[number % len(pictures)])
    memory, start = peak_memory(), time.perf_counter()
    for number in range(FRAMES):
        monitor.show(pictures[number % len(pictures)])
    speed = FRAMES / (time.perf_counter() - start)
    print(f"realtime, one core      {speed:8.0f} frames a second (at least {LEAST:.0f} wanted)")
    print(f"memory over {FRAMES:,} frames {peak_memory() - memory:5.1f} MB more")
    if speed < LEAST:
        sys.exit(1)


def peak_memory() -> float:
    """The largest memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-W", "ignore", "-c", EXPORT, folder], check=True)
            measure(f"{folder}/onnx/step.onnx")
