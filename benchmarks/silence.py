"""The longest time for which a command shows nothing in a terminal.

    python benchmarks/silence.py kdkit run digits --out /tmp/run

The command runs in a terminal of its own. One JSON line: ``command``, ``seconds`` it took, ``longest_silence`` in
seconds, ``began`` (seconds after the start at which that silence began), ``exit_code``.
"""

from __future__ import annotations

import json
import os
import pty
import sys
import time


def measure(command: list[str]) -> dict[str, object]:
    """Run ``command`` in a pseudo-terminal and measure the gaps between what it writes."""
    start = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.setdefault("TERM", "xterm-256color")
        os.execvp(command[0], command)
    last, longest, began = start, 0.0, 0.0
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side has closed
            data = b""
        now = time.monotonic()
        if now - last > longest:
            longest, began = now - last, last - start
        last = now
        if not data:
            break
    _, status = os.waitpid(pid, 0)
    return {
        "command": " ".join(command),
        "seconds": round(last - start, 2),
        "longest_silence": round(longest, 2),
        "began": round(began, 2),
        "exit_code": os.waitstatus_to_exitcode(status),
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(json.dumps(measure(sys.argv[1:])))
