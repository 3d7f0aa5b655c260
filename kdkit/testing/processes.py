"""Fresh processes at little cost: each request is handled by a fork of a server that has imported kdkit and no more.

Starting Python and importing kdkit takes most of a second, and a suite does so for every component. A fork of the
server starts from the same state in milliseconds. Code of a plugin runs in forks only, so that neither the server nor
the caller is changed by it.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from kdkit.scratch import scratch_folder

SECONDS = 120
# Elsewhere a fork is missing, or not safe once system libraries are loaded: there, a process serves one request.
CAN_FORK = sys.platform == "linux"


class ProcessFailure(Exception):  # noqa: N818  # the reason of a BrokenPromiseError, never seen by itself
    """What went wrong in the other process, in one line."""


class FreshProcesses:
    """Calls functions of a module in processes that import nothing else of the caller's."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._server: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        atexit.register(self.close)

    def call(self, function: str, argument: Any) -> Any:
        """``function(argument)``; argument and result are JSON. Raises :class:`ProcessFailure` when there is none."""
        # Whatever this process can import, the other one must find too, installed or not.
        request = {
            "function": function,
            "argument": argument,
            "path": [entry or os.getcwd() for entry in sys.path],  # noqa: PTH109
            "folder": os.getcwd(),  # noqa: PTH109
            "environment": dict(os.environ),
            "seconds": SECONDS,
            "fork": CAN_FORK,
        }
        with self._lock:
            reply = self._exchange(json.dumps(request))
        if "failure" in reply:
            raise ProcessFailure(reply["failure"])
        return reply["result"]

    def close(self) -> None:
        """End the server, if this process has started it."""
        if self._server is not None and self._owner == os.getpid():
            self._server.kill()
            self._server.communicate()
        self._server = None

    def _exchange(self, request: str) -> dict[str, Any]:
        server = self._running()
        assert server.stdin is not None and server.stdout is not None
        # The server ends a fork that takes too long; this is for a request that the server serves itself.
        timer = threading.Timer(SECONDS + 10, server.kill)
        timer.start()
        try:
            server.stdin.write(f"{request}\n")
            server.stdin.flush()
            line = server.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line and CAN_FORK:
            return dict(json.loads(line))
        self.close()
        return dict(json.loads(line)) if line else {"failure": "the process ended without a result"}

    def _running(self) -> subprocess.Popen[str]:
        # A fork of the caller, as a worker is, must not share the caller's pipes.
        if self._server is None or self._owner != os.getpid() or self._server.poll() is not None:
            self.close()
            self._server, self._owner = self._start(), os.getpid()
        return self._server

    def _start(self) -> subprocess.Popen[str]:
        command = f"from {__name__} import serve; serve({self._module!r})"
        return subprocess.Popen(  # noqa: S603  # this interpreter, a function of this module
            [sys.executable, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)},  # noqa: PTH109
            start_new_session=True,  # Ctrl-C is for the caller, with whom the server ends
        )


def serve(module: str) -> None:
    """Handle requests, a line of JSON each, from standard input until it ends; each reply is one line, too."""
    functions = vars(importlib.import_module(module))
    replies = os.fdopen(os.dup(1), "w")
    # What a plugin prints must not be taken for a reply.
    _redirect(os.devnull, 1)
    for line in sys.stdin:
        request = json.loads(line)
        handle = _in_fork if request["fork"] else _in_place
        replies.write(json.dumps(handle(functions[request["function"]], request)) + "\n")
        replies.flush()
        if not request["fork"]:
            return


def _in_place(function: Callable[[Any], Any], request: dict[str, Any]) -> dict[str, Any]:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[:] = request["path"]
    importlib.invalidate_caches()
    try:
        return {"result": function(request["argument"])}
    except BaseException as error:
        return {"failure": " ".join(f"{type(error).__name__}: {error}".split())}


def _in_fork(function: Callable[[Any], Any], request: dict[str, Any]) -> dict[str, Any]:
    with scratch_folder("fork") as folder:
        reply, errors = folder / "reply.json", folder / "stderr"
        child = os.fork()
        if child == 0:
            _handle(function, request, reply, errors)
        status = _wait(child, request["seconds"])
        with suppress(OSError, ValueError):
            return dict(json.loads(reply.read_text(encoding="utf-8")))
        last = (
            errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if errors.exists() else []
        )
    return {"failure": last[0] if last else _ending(status, request["seconds"])}


def _handle(function: Callable[[Any], Any], request: dict[str, Any], reply: Path, errors: Path) -> None:
    """In the fork: write the reply into a file, and end without running what is registered for the server's end."""
    try:
        os.setsid()
        _redirect(os.devnull, 0)
        _redirect(str(errors), 2)
        text = json.dumps(_in_place(function, request))
        reply.write_text(text, encoding="utf-8")
    finally:
        os._exit(0)


def _wait(child: int, seconds: float) -> int:
    """The exit code of a fork, negative for a signal; it and all that it has started are ended after ``seconds``."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def _ending(code: int, seconds: float) -> str:
    if code == -signal.SIGKILL:
        return f"its process was killed; it may have taken more than {seconds:g} s, or too much memory"
    return f"its process was ended with {f'exit code {code}' if code >= 0 else signal.Signals(-code).name}"


def _redirect(path: str, descriptor: int) -> None:
    file: IO[bytes]
    with open(path, "r+b" if path == os.devnull else "wb") as file:  # noqa: PTH123
        os.dup2(file.fileno(), descriptor)
