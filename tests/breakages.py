"""Breaks the code on purpose, one small wrong edit at a time, and says whether the tests notice.

    python tests/breakages.py [NAME ...] [--list]

Works on a copy of the tracked files. The exit code is 1 when an edit is missed or cannot be applied.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from shutil import copy2

from breakage import Breakage
from breakages_core import CORE
from breakages_plugins import PLUGINS

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300


BREAKAGES = (*CORE, *PLUGINS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Break the code on purpose, and see whether the tests notice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the edits to try; all without one")
    parser.add_argument("--list", action="store_true", help="name the edits, and try none")
    arguments = parser.parse_args()
    by_name = {breakage.name: breakage for breakage in BREAKAGES}
    if unknown := [name for name in arguments.names if name not in by_name]:
        parser.error(f"no breakage is named {', '.join(unknown)}")
    if arguments.list:
        print("\n".join(by_name))
        return 0
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        copy_tracked_files(Path(folder))
        for breakage in [by_name[name] for name in arguments.names] or BREAKAGES:
            start = time.monotonic()
            outcomes.append(try_breakage(Path(folder), breakage))
            print(f"{outcomes[-1]:14}{breakage.name:24}{time.monotonic() - start:6.1f} s", flush=True)
    print(f"{outcomes.count('caught')} of {len(outcomes)} caught")
    return int(set(outcomes) != {"caught"})


def copy_tracked_files(folder: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name)


def try_breakage(folder: Path, breakage: Breakage) -> str:
    """What became of it: "caught", "MISSED", "timed out", "cannot apply" or "fails anyway".

    Tests that do not run at all count as "cannot apply", too.
    """
    file = folder / breakage.file
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if text.count(breakage.old) != 1:
        return "cannot apply"
    file.write_text(text.replace(breakage.old, breakage.new), encoding="utf-8")
    try:
        code = run_tests(folder, breakage.tests.split())
    finally:
        file.write_text(text, encoding="utf-8")
    if code == 1 and not passes_unbroken(folder, breakage.tests):
        return "fails anyway"
    return {0: "MISSED", 1: "caught", -1: "timed out"}.get(code, "cannot apply")


@cache
def passes_unbroken(folder: Path, tests: str) -> bool:
    """A failure proves nothing where the tests fail without the edit, too."""
    return run_tests(folder, tests.split()) == 0


def run_tests(folder: Path, tests: list[str]) -> int:
    """The exit code of pytest; -1 when it does not end in time, which proves nothing."""
    plugins = sorted(path for path in (folder / "plugins").iterdir() if path.is_dir())
    places = [folder, folder / "cli", *plugins, folder / "examples" / "digits"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
