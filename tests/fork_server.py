"""The command line in processes that begin within milliseconds: forks of one that has imported all that it needs.

Read from standard input, a line of JSON each: ``{"argv": [...], "log": FILE}`` starts ``kdkit ARGV`` in a group
of its own and answers with its number; a number waits for that process and answers with its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil


class ForkServer:
    """Starts commands, and waits for them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, log: Path, *arguments: object) -> int:
        """The number of the process, and of its group."""
        return int(self._ask({"argv": [str(argument) for argument in arguments], "log": str(log)}))

    def wait(self, process: int) -> int:
        """As :attr:`subprocess.Popen.returncode`."""
        return int(self._ask(process))

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()

    def _ask(self, request: Any) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def second_process(parent: psutil.Process) -> psutil.Process | None:
    """Of a command's children the one that is its second process, and neither a worker nor a tool's."""
    for child in parent.children():
        with suppress(psutil.Error):
            if child.environ().get("RANK") == "1":
                return child
    return None


def _run(argv: list[str], log: str) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    command = str(Path(sys.executable).with_name("kdkit"))
    sys.argv = [command, *argv]
    sys.orig_argv[:] = [sys.executable, command, *argv]  # what other ranks are started with
    from kdkit_cli.main import main

    main()


def _serve() -> None:
    import kdkit.engine.training
    import kdkit.pages.run
    import kdkit.stages.pipeline
    import kdkit.store.weights  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(request, 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                code: Any = 1
                try:
                    _run(request["argv"], request["log"])
                    code = 0
                except SystemExit as end:
                    code = end.code or 0
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code if isinstance(code, int) else 1)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
