"""Run what a page shows: write its files, run its commands in a fresh folder, compare what they print.

A file is a ``code-block`` with a ``:caption:``, which is its path between backticks. A command is a line after ``$``
in a ``console`` block; the lines up to the next command are what it prints, both streams together. Files and commands
are taken in the order of the page. Numbers that differ from machine to machine are not compared.

    python docs/run_page.py docs/tutorials/first-plugin.md           compare
    python docs/run_page.py docs/tutorials/first-plugin.md --write   put what was printed into the page
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import venv
from dataclasses import dataclass
from pathlib import Path

WIDTH = 120
SECONDS = 300

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\S+)(?P<rest>[^\n]*)\n(?P<body>.*?)^(?P=fence)$", re.M | re.S)
_UNDER_WAY = re.compile(r"^  \w+ .* \d+/\d+ \w+  .* left\b")
_CAPTION = re.compile(r'^:caption: "`(?P<path>[^`]+)`"\n\n?', re.M)


@dataclass(frozen=True)
class File:
    """A file that the page shows."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that the page shows, what it prints there, and where in the page's text that stands."""

    line: str
    output: str
    place: tuple[int, int]


@dataclass(frozen=True)
class Mismatch:
    """A command that printed something else."""

    command: str
    difference: str


def steps(text: str) -> list[File | Command]:
    """The files and commands of a page, in order."""
    found: list[File | Command] = []
    for block in _FENCE.finditer(text):
        body, start = block["body"], block.start("body")
        if block["language"] == "{code-block}":
            caption = _CAPTION.match(body)
            if caption:
                found.append(File(caption["path"], body[caption.end() :]))
        elif block["language"] == "console":
            found.extend(_commands(body, start))
    return found


def _commands(body: str, start: int) -> list[Command]:
    prompts = [*re.finditer(r"^\$ (?P<line>.*)\n", body, re.M)]
    ends = [prompt.start() for prompt in prompts[1:]] + [len(body)]
    return [
        Command(prompt["line"], body[prompt.end() : end], (start + prompt.end(), start + end))
        for prompt, end in zip(prompts, ends, strict=True)
    ]


class Workplace:
    """A folder with a virtual environment of its own that sees what is installed here, and needs no network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        environment = folder / "environment"
        venv.create(environment, with_pip=False, symlinks=True)
        binaries = environment / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        inside = environment / "lib" / version / "site-packages"
        ours = sysconfig.get_path("purelib")
        (inside / "outside.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        for name, call in {
            "pip": '-m pip "$1" --no-build-isolation "${@:2}"',
            "pytest": '-m pytest -p no:cacheprovider "$@"',
            "kdkit": '-c "from kdkit_cli.main import main; main()" "$@"',
        }.items():
            script = binaries / name
            script.write_text(f"#!/usr/bin/env bash\nexec {binaries / 'python'} {call}\n")
            script.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KDKIT_", "PYTEST_"))}
        self.environment = kept | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "XDG_STATE_HOME": str(environment / "state"),
            "COLUMNS": str(WIDTH),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def write(self, file: File) -> None:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")

    def run(self, command: Command) -> str:
        """What the command prints; the folder's own path is left out of it."""
        if command.line.startswith("cd "):
            self.folder = (self.folder / command.line.removeprefix("cd ")).resolve()
            return ""
        done = subprocess.run(
            ["bash", "-c", command.line],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        # How far work is, is only printed where it takes long.
        lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines() if not _UNDER_WAY.search(line)]
        printed = "".join(f"{line}\n" for line in lines)
        if done.returncode and "error:" not in printed:
            printed += f"(exit code {done.returncode})\n"  # a page shows failures on purpose, and then their message
        return printed.replace(f"{self.folder}/", "").replace(str(self.folder), ".")


def normalised(output: str) -> str:
    """Output without what differs from machine to machine: measured numbers, times, speeds, widths of columns."""
    lines = []
    for line in output.splitlines():
        if " a second" in line:
            line = re.sub(r"\d+", "#", line)
        line = re.sub(r"[─━]+", "─", line)
        line = re.sub(r"(runs/\w+)/[a-z]+-[a-z]+", r"\1/#", line)
        line = re.sub(r"\d+\.\d+(\s[kMG]\b)?", "#", line)
        line = re.sub(r"\b\d+ s\b", "# s", line)
        line = re.sub(r"\b\d+ (passed|skipped)", r"# \1", line)
        line = re.sub(r"\b(\d+) of \1 promises", "all promises", line)
        # Near a margin a machine that rounds otherwise comes to another verdict.
        line = re.sub(r"^\s*(Cannot tell whether the student|The student is) .*", "verdict", line)
        line = re.sub(r"\s+", " ", line).strip()
        if line:
            lines.append(line)
    return "\n".join(lines)


def run(text: str, folder: Path) -> tuple[str, list[Mismatch]]:
    """Run a page; returns it with what was really printed in place, and the commands that print something else."""
    workplace, mismatches, replaced = Workplace(folder), [], []
    for step in steps(text):
        if isinstance(step, File):
            workplace.write(step)
            continue
        printed = workplace.run(step)
        expected, found = normalised(step.output), normalised(printed)
        if expected != found:
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "page", "printed", lineterm="")
            mismatches.append(Mismatch(step.line, "\n".join(lines)))
        replaced.append((step.place, printed))
    for (start, end), printed in reversed(replaced):
        text = text[:start] + printed + text[end:]
    return text, mismatches


def main() -> int:
    """Compare, or write with ``--write``; returns the number of commands that print something else."""
    paths = [Path(name) for name in sys.argv[1:] if name != "--write"]
    if not paths:
        print(textwrap.dedent(__doc__ or "").strip())
        return 2
    count = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            text, mismatches = run(path.read_text(encoding="utf-8"), Path(folder))
        for mismatch in mismatches:
            print(f"{path}: $ {mismatch.command}\n{mismatch.difference}\n")
        count += len(mismatches)
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main())
