"""The processes that work together on one command: which of them this one is, and starting the others."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from kdkit.exits import end_process
from kdkit.owner import is_running, process_start
from kdkit.stopping import defer_interruptions

# Lightning does not take an allocation with such a name for a batch job either.
_INTERACTIVE = ("bash", "interactive")
# "PROCESS START" of the process that started this one, and the name of that launch.
_LAUNCHER, _LAUNCH = "_KDKIT_LAUNCHER", "_KDKIT_LAUNCH"
# What tells one launch of several processes from the next one.
_LAUNCH_NAMES = (
    *(_LAUNCH, "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"),
    *("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT"),
)
_FOLLOW_SECONDS = 0.5
# What asks a process to end; one that is born holds them back until it can answer.
_STOPS = (signal.SIGINT, signal.SIGTERM)
# How long processes that have finished get to end by themselves.
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Which process this is: ``rank`` of ``size`` in all, ``local_rank`` of ``local_size`` on its machine.

    ``launch``: a name that the processes of one launch share.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    launch: str = ""


class _State:
    """Of this process. ``children``: the processes that it has started. ``reported``: whether the first process
    has been told why this one failed, and says so."""

    children: list[subprocess.Popen[bytes]] = []  # noqa: RUF012
    reported = False
    place: Place | None = None


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """The number of this process among those that work together; 0 when it is alone or the first.

    A number alone proves nothing: independent jobs of an array and shells left over have one, too. It is believed
    where a launcher says that there is more than one process and where they meet (torchrun, Lightning), or where
    ``srun`` started several tasks.
    """
    if is_slurm_step(environment):
        return int(environment["SLURM_PROCID"])
    if not environment.get("MASTER_ADDR"):
        return 0
    if _count(environment, "WORLD_SIZE") > 1 and environment.get("RANK", "").isdigit():
        return int(environment["RANK"])
    # Lightning numbers the processes of a machine, and the machines; it sets no RANK.
    if _count(environment, "WORLD_SIZE", 2) > 1:
        return _count(environment, "LOCAL_RANK") + _count(environment, "NODE_RANK")
    return 0


def place() -> Place:
    """Which of the processes of its launch this one is; kept, as Lightning takes variables away when it ends."""
    if _State.place is None:
        found = place_in(os.environ)
        if found.size == 1:
            return found
        _State.place = found
    return _State.place


def place_in(environment: Mapping[str, str]) -> Place:
    """As :func:`place`, by these variables."""
    launch = " ".join(environment.get(name, "") for name in _LAUNCH_NAMES)
    if is_slurm_step(environment):
        size = _count(environment, "SLURM_STEP_NUM_TASKS", _count(environment, "SLURM_NTASKS"))
        local_size = max(1, size // max(1, _count(environment, "SLURM_STEP_NUM_NODES", 1)))
        return Place(rank(environment), size, _count(environment, "SLURM_LOCALID"), local_size, launch)
    size = _count(environment, "WORLD_SIZE", 1) if environment.get("MASTER_ADDR") else 1
    if size < 2:
        return Place()
    local_size = _count(environment, "LOCAL_WORLD_SIZE", size)
    return Place(rank(environment), size, _count(environment, "LOCAL_RANK"), local_size, launch)


def is_slurm_step(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``srun`` started this process as one of several tasks; not so in the shell of an allocation."""
    tasks = _count(environment, "SLURM_STEP_NUM_TASKS", _count(environment, "SLURM_NTASKS"))
    return (
        tasks > 1
        and environment.get("SLURM_PROCID", "").isdigit()
        and environment.get("SLURM_JOB_NAME") not in _INTERACTIVE
    )


def start_processes(count: int, machines: int = 1) -> Place:
    """Start this command again in ``count - 1`` more processes, and give all of them their places.

    Lightning sees by the variables that the processes are there, and starts none itself. On each of several
    ``machines`` somebody has started the command, with ``NODE_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT`` set.
    """
    machine = _count(os.environ, "NODE_RANK", _count(os.environ, "GROUP_RANK"))
    shared = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT", str(_free_port())),
        "NODE_RANK": str(machine),
        "WORLD_SIZE": str(count * machines),
        "LOCAL_WORLD_SIZE": str(count),
    }
    if machines == 1:
        shared[_LAUNCH] = uuid.uuid4().hex
    os.environ.update(shared | {"LOCAL_RANK": "0", "RANK": str(machine * count)})
    launcher = f"{os.getpid()} {process_start(os.getpid()) or 0}"
    atexit.register(end_processes, _END_SECONDS)
    with defer_interruptions() as (_, check):  # no process is born of which nobody knows
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            for local_rank in range(1, count):
                own = {"LOCAL_RANK": str(local_rank), "RANK": str(machine * count + local_rank), _LAUNCHER: launcher}
                command = [sys.executable, *sys.orig_argv[1:]]  # this very one
                _State.children.append(subprocess.Popen(command, env=os.environ | own))  # noqa: S603
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        check()
    return place()


def dead_process() -> subprocess.Popen[bytes] | None:
    """One that this process has started and that has ended, if there is any."""
    return next((child for child in _State.children if child.poll() is not None), None)


def exit_code_of(number: int) -> int | None:
    """What the process ``number`` has ended with, negative for a signal, if this one has started it."""
    return next((child.poll() for child in _State.children if child.pid == number), None)


def end_processes(patience: float = 0.0) -> None:
    """End what :func:`start_processes` has started; ``patience``: seconds that they get to end by themselves."""
    end = time.monotonic() + patience
    for child in _State.children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, end - time.monotonic()))
        child.kill()
        child.wait()
    if _State.children:
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "RANK", "MASTER_PORT", _LAUNCH):
            os.environ.pop(name, None)
        _State.place = None
    _State.children.clear()


def follow_launcher() -> None:
    """In a process that :func:`start_processes` has started: end when the one that did so has ended.

    What has asked this process to end since its birth is answered from here on.
    """
    # Taken out: what this process starts itself has another parent.
    number, _, start = os.environ.pop(_LAUNCHER, "").partition(" ")
    if not number.isdigit():
        return

    def follow() -> None:
        while os.getppid() == int(number) and is_running(int(number), float(start)):
            time.sleep(_FOLLOW_SECONDS)
        time.sleep(_END_SECONDS / 4)  # it may be that everything is done
        end_process(1)

    threading.Thread(target=follow, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def report() -> None:
    """The first process knows why this one fails, and says it."""
    _State.reported = True


def is_reported() -> bool:
    """Whether this process has nothing to say of its end."""
    return _State.reported


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _count(environment: Mapping[str, str], name: str, default: int = 0) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdigit() else default
