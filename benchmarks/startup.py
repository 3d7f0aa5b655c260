"""How long the commands take that people and shells run often: python benchmarks/startup.py"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 15
DUMMIES = 10
PLUGIN = """
from kdkit import Entry, hookimpl

@hookimpl
def kdkit_generators():
    return [Entry("dummy-{n}", "A dummy", "kdkit_dummy{n}.plugin:Dummy")]
"""


def install_dummies(folder: Path) -> None:
    """Lay out small distributions as pip would have installed them."""
    for n in range(DUMMIES):
        package, metadata = folder / f"kdkit_dummy{n}", folder / f"kdkit_dummy{n}-1.0.dist-info"
        package.mkdir()
        metadata.mkdir()
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(PLUGIN.format(n=n))
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kdkit-dummy{n}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[kdkit]\ndummy{n} = kdkit_dummy{n}.plugin\n")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    kdkit = str(Path(sys.executable).with_name("kdkit"))
    with tempfile.TemporaryDirectory() as folder:
        install_dummies(Path(folder))
        environment = os.environ | {"PYTHONPATH": folder}
        completion = {"_KDKIT_COMPLETE": "complete_bash", "COMP_WORDS": "kdkit plu", "COMP_CWORD": "1"}
        for label, arguments, extra in (
            ("kdkit --help", ["--help"], {}),
            ("kdkit plugins list", ["plugins", "list"], {}),
            ("completion of kdkit plu", [], completion),
        ):
            command = [kdkit, *arguments]
            seconds(command, environment | extra)
            times = sorted(seconds(command, environment | extra) for _ in range(RUNS))
            middle = statistics.median(times)
            print(f"{label:<26} median {middle:.3f} s   ({times[0]:.3f} to {times[-1]:.3f}, {RUNS} runs)")


if __name__ == "__main__":
    main()
