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
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300


class Breakage(NamedTuple):
    """``old``, which stands once in ``file``, becomes ``new``; ``tests`` have to fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: str


ECHO = "plugins/echocardio/kdkit_echocardio"
ECHO_TESTS = "tests/plugins/echocardio"
BOOTSTRAP, BOOTSTRAP_TESTS = "kdkit/contracts/bootstrap.py", "tests/core/contracts/test_bootstrap.py"
JUDGEMENT, JUDGEMENT_TESTS = "kdkit/evaluation/judgement.py", "tests/core/evaluation/test_judgement.py"
OBJECTIVES = "tests/core/objectives"

BREAKAGES = (
    Breakage(
        "guard-exit",
        "kdkit/plugins/guard.py",
        'return f"it calls sys.exit',
        'return f"it calls exit',
        "tests/core/plugins",
    ),
    Breakage(
        "digest-packages",
        "kdkit/plugins/source.py",
        "        queue += source.imports\n",
        "",
        "tests/core/plugins/test_source.py",
    ),
    Breakage(
        "digest-open",
        "kdkit/plugins/source.py",
        "if source.is_open:",
        "if False:",
        "tests/core/plugins/test_source.py",
    ),
    Breakage(
        "merge-name",
        "kdkit/recipe/merge.py",
        'if "name" in overlay and overlay["name"] !=',
        'if "name" in overlay and overlay["name"] ==',
        "tests/core/recipe",
    ),
    Breakage(
        "merge-repeated-key",
        "kdkit/recipe/merge.py",
        "if (key.tag, key.value) in lines:",
        "if False:",
        "tests/core/recipe",
    ),
    Breakage(
        "path-folder",
        "kdkit/recipe/paths.py",
        "return text.folder / path if",
        "return path if",
        "tests/core/recipe/test_paths.py",
    ),
    Breakage(
        "path-unset-variable",
        "kdkit/recipe/paths.py",
        "if not value and not tolerant:",
        "if False:",
        "tests/core/recipe/test_paths.py",
    ),
    Breakage(
        "store-gap", "kdkit/store/shards.py", "if first > position:", "if first > position + 1:", "tests/core/store"
    ),
    Breakage(
        "store-damaged",
        "kdkit/store/shards.py",
        "    except (SafetensorError, OSError, ValueError):\n        return False",
        "    except (SafetensorError, OSError, ValueError):\n        return True",
        "tests/core/store",
    ),
    Breakage("window-middle", "kdkit/engine/windows.py", "start = last_start // 2", "start = 0", "tests/core/stages"),
    Breakage(
        "window-epoch",
        "kdkit/engine/windows.py",
        "default_rng([self.seed, self.epoch, index])",
        "default_rng([self.seed, index])",
        "tests/core/stages",
    ),
    Breakage(
        "distillation-seed",
        "kdkit/engine/distillation.py",
        "self.current_epoch, batch_idx, self.global_rank]",
        "0, batch_idx, self.global_rank]",
        "tests/core/stages",
    ),
    Breakage(
        "distillation-finite",
        "kdkit/engine/distillation.py",
        "if not torch.isfinite(loss):",
        "if False:",
        "tests/core/stages",
    ),
    Breakage(
        "adversary-steps",
        "kdkit/engine/adversarial.py",
        "% self.adversary.student_steps == 0",
        "% self.adversary.student_steps == 1",
        "tests/core/engine",
    ),
    Breakage(
        "adversary-eval",
        "kdkit/engine/adversarial.py",
        "self.network.eval()",
        "self.network.train()",
        "tests/core/engine",
    ),
    Breakage("bootstrap-fewest", BOOTSTRAP, "FEWEST_UNITS = 5", "FEWEST_UNITS = 2", BOOTSTRAP_TESTS),
    Breakage(
        "bootstrap-ends",
        BOOTSTRAP,
        "estimate[0] - high * error[0]), float",
        "estimate[0] + low * error[0]), float",
        BOOTSTRAP_TESTS,
    ),
    Breakage(
        "paired-groups",
        "kdkit/evaluation/paired.py",
        "if name in groups else",
        "if False else",
        "tests/core/evaluation/test_paired.py",
    ),
    Breakage("judgement-margin", JUDGEMENT, "if high < -margin:", "if high < margin:", JUDGEMENT_TESTS),
    Breakage("judgement-slightly", JUDGEMENT, "if high < 0 else", "if high < -1 else", JUDGEMENT_TESTS),
    Breakage(
        "judgement-direction",
        JUDGEMENT,
        "gain = 1.0 if higher_is_better",
        "gain = 1.0 if not higher_is_better",
        JUDGEMENT_TESTS,
    ),
    Breakage(
        "page-description",
        "kdkit/pages/svg.py",
        "{escape(description)}",
        "{description}",
        "tests/core/pages/test_report.py",
    ),
    Breakage(
        "page-ids",
        "kdkit/pages/svg.py",
        """rf"\\1#{name}-", text)""",
        """r"\\1#", text)""",
        "tests/core/pages/test_report.py",
    ),
    Breakage(
        "grid-twice",
        "kdkit/sweep/grid.py",
        "for v, count in Counter(values).items() if count > 1",
        "for v, count in Counter(values).items() if count > 2",
        "tests/core/sweep",
    ),
    Breakage(
        "front-equal",
        "kdkit/evaluation/front.py",
        " and (scores[j], costs[j]) != (scores[i], costs[i])",
        " and j != i",
        "tests/core/sweep",
    ),
    Breakage(
        "rate-refill", "kdkit/serving/rate.py", "* self.per_minute / 60)", "* self.per_minute)", "tests/core/serving"
    ),
    Breakage(
        "token-short",
        "kdkit/serving/token.py",
        "SHORTEST = 16",
        "SHORTEST = 2",
        "tests/core/serving tests/cli/test_serve.py",
    ),
    Breakage(
        "token-any",
        "kdkit/serving/token.py",
        'return hmac.compare_digest(_digest(authorization or ""), self._digest)',
        "return True",
        "tests/core/serving",
    ),
    Breakage(
        "kl-temperature", "kdkit/objectives/kl.py", ".sum(-1) * temperature**2", ".sum(-1) * temperature", OBJECTIVES
    ),
    Breakage("mse-weight", "kdkit/objectives/mse.py", "(weight * squares).mean()", "squares.mean()", OBJECTIVES),
    Breakage(
        "soft-bce-weight",
        "kdkit/objectives/soft_bce.py",
        "(logits, targets, weight)",
        "(logits, targets)",
        OBJECTIVES,
    ),
    Breakage(
        "soft-dice-squares",
        "kdkit/objectives/soft_dice.py",
        "(student**2 + teacher**2)",
        "(student + teacher)",
        OBJECTIVES,
    ),
    Breakage(
        "attention-norm",
        "kdkit/objectives/attention.py",
        "maps.pow(2).mean(1, keepdim=True)",
        "maps.mean(1, keepdim=True)",
        OBJECTIVES,
    ),
    Breakage(
        "hint-distance",
        "kdkit/objectives/hint.py",
        "F.mse_loss(logits, targets)",
        "F.l1_loss(logits, targets)",
        OBJECTIVES,
    ),
    Breakage("session-log", "cli/kdkit_cli/session.py", 'open("a",', 'open("w",', "tests/cli/test_session.py"),
    Breakage(
        "probe-heavy",
        "kdkit/testing/probe.py",
        "if name in sys.modules]",
        "if name in ()]",
        "tests/core/testing/test_suite.py tests/cli/test_verify.py",
    ),
    Breakage(
        "beats-prominence",
        f"{ECHO}/beats.py",
        "PROMINENCE, TURN, EXTREME = 0.5,",
        "PROMINENCE, TURN, EXTREME = 0.05,",
        f"{ECHO_TESTS}/test_beats.py {ECHO_TESTS}/test_metrics.py",
    ),
    Breakage(
        "beats-dropouts",
        f"{ECHO}/beats.py",
        "if dropouts.mean() <= MOST_DROPOUTS",
        "if False",
        f"{ECHO_TESTS}/test_beats.py",
    ),
    Breakage(
        "beats-noise",
        f"{ECHO}/beats.py",
        "LARGEST_ROUGHNESS = 1.0",
        "LARGEST_ROUGHNESS = 9.0",
        f"{ECHO_TESTS}/test_beats.py {ECHO_TESTS}/test_metrics.py",
    ),
    Breakage(
        "beats-drift",
        f"{ECHO}/beats.py",
        "return products / squares if squares else 0.0",
        "return 0.0",
        f"{ECHO_TESTS}/test_beats.py {ECHO_TESTS}/test_metrics.py",
    ),
)


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
