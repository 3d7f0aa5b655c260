"""The command line in processes that begin within milliseconds: forks of one that has imported all that it needs.

Read from standard input, a line of JSON each: ``{"argv": [...], "log": FILE, ...}`` starts a command in a group
of its own and answers with its number; a number waits for that process and answers with its exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# One that hangs is ended after as many seconds, which none comes near to on a machine that does much else.
PATIENCE = 900


class ForkServer:
    """Starts commands, and waits for them."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self,
        log: Path,
        *arguments: object,
        module: str = "",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        path: Sequence[str] | None = None,
    ) -> int:
        """The number of the process, and of its group: of ``kdkit ARGUMENTS``, or ``python -m MODULE ARGUMENTS``.

        It writes into ``log``, and has the caller's working folder, environment and module path, or these.
        """
        request = {
            "argv": [str(argument) for argument in arguments],
            "log": str(log),
            "module": module,
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "path": [entry or str(Path.cwd()) for entry in (sys.path if path is None else path)],
        }
        return int(self._ask(request))

    def wait(self, process: int) -> int:
        """As :attr:`subprocess.Popen.returncode`."""
        return int(self._ask(process))

    def run(self, log: Path, *arguments: object, **options: Any) -> tuple[int, str]:
        """As :meth:`start`; the exit code, and what was written."""
        code = self.wait(self.start(log, *arguments, **options))
        return code, log.read_text()

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


def _run(request: dict[str, Any]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[:] = request["path"]
    importlib.invalidate_caches()
    if module := request["module"]:
        sys.argv = [module, *request["argv"]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    command = str(Path(sys.executable).with_name("kdkit"))
    sys.argv = [command, *request["argv"]]
    sys.orig_argv[:] = [sys.executable, *sys.argv]  # what other ranks are started with
    from kdkit_cli.main import main

    main()


def _wait(process: int) -> int:
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(process, signal.SIGKILL))
    signal.alarm(PATIENCE)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    signal.alarm(0)
    return code


def _serve() -> None:
    import kdkit.engine.training
    import kdkit.pages.run
    import kdkit.stages.pipeline
    import kdkit.store.weights
    import kdkit.testing.verify  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            answer = _wait(request)
        else:
            answer = os.fork()
            if answer == 0:
                code: Any = 1
                try:
                    _run(request)
                    code = 0
                except SystemExit as end:
                    code = end.code or 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code if isinstance(code, int) else 1)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
