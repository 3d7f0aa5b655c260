"""How much sooner two processes label than one, each with one thread: ``python benchmarks/ranks.py``.

Samples are made once; then the stage label runs alone, with one device and with two, from nothing each time. Its
seconds are the run's own, with the start of the second process. Two cores have to be free: the load is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KDKIT = Path(sys.executable).with_name("kdkit")


def main() -> None:
    """One JSON line for each number of processes, and one with the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4320, help="of two frames each")
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    seconds: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        run(home, options.samples, 1, "--until", "generate")
        for devices in (1, 2) * options.repeat:
            shutil.rmtree(home / "store" / "targets", ignore_errors=True)
            load = os.getloadavg()[0]
            taken = run(home, options.samples, devices, "--only", "label")
            seconds[devices] = min(taken, seconds.get(devices, taken))
            print(
                json.dumps({"name": f"label, {devices} x 1 thread", "seconds": taken, "load_before": round(load, 1)})
            )
    ratio = round(seconds[1] / seconds[2], 2)
    machine = platform.processor() or platform.machine()
    print(
        json.dumps({"name": "label, 1 to 2 processes", "ratio": ratio, "cores": os.cpu_count(), "machine": machine})
    )


def run(home: Path, samples: int, devices: int, *stages: str) -> float:
    """Bring some stages of the default recipe up to date; returns the seconds of the label stage, 0 without one."""
    settings = (f"samples.train={samples}", "samples.evaluation=16", "controls=[]", "trainer.accelerator=cpu")
    command = [str(KDKIT), "run", "echocardio", "--out", str(home / "run"), "--devices", str(devices), *stages]
    command += [part for setting in settings for part in ("--set", setting)]
    environment = os.environ | {"KDKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    manifest = json.loads((home / "run" / "manifest.json").read_text(encoding="utf-8"))
    return float(manifest["seconds"].get("label", 0))


if __name__ == "__main__":
    main()
