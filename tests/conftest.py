"""What the tests share: a tiny domain, a store of their own, and the command line, called in this process or in one
of its own."""

from __future__ import annotations

import gc
import math
import multiprocessing.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from fork_server import ForkServer
from processor_time import pytest_runtest_makereport, pytest_runtest_protocol, pytest_terminal_summary  # noqa: F401

if TYPE_CHECKING:
    from kdkit.runs.run import Run

# The same cases in every run, and none fails because the machine does much else.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

# One thread in every process, however the tests are called: more would add numbers up in another order, and what is
# the same to the last bit here would not be.
os.environ["OMP_NUM_THREADS"] = "1"

# OpenCV's FFmpeg reads it when a process first opens a video, which may be one that a test writes.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

TOY = Path(__file__).parent / "toy"
KDKIT = Path(sys.executable).with_name("kdkit")
INSTALLED = sysconfig.get_path("purelib")


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests and their processes take for temporary files lies in a folder that is removed with the session."""
    folder = tmp_path_factory.mktemp("tmp")
    multiprocessing.util.get_temp_dir()  # its own lives as long as this process, and removes itself
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(folder))
        patched.setattr(tempfile, "tempdir", str(folder))
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is imported and collected stays to the end: no search for garbage walks through it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs and store, empty, and no setting of the machine's user."""
    for name in [name for name in os.environ if name.startswith("KDKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KDKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def toy(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The distribution kdkit-toy is installed; returns the folder of runs and store."""
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.setenv("PYTHONPATH", str(TOY))
    return home


@pytest.fixture
def hollow_jax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty jax, a heavy library by its name, can be imported; it is unloaded: SciPy asks one that is loaded."""
    (tmp_path / "jax.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("jax", None)


@pytest.fixture(autouse=True, scope="session")
def _unsynced() -> Iterator[None]:
    """Nothing waits for the disk: no test takes the machine's power away, and a run writes a hundred files."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _installed_once() -> Iterator[None]:
    """What this environment has installed, which no test changes, is read once: it is a sixth of a short command's
    time. All other folders are read each time."""
    import entrypoints

    read: Any = entrypoints.iter_files_distros

    @cache
    def read_once(folder: str, repeated_distro: str) -> list[Any]:
        return list(read([folder], repeated_distro))

    def iter_files_distros(path: Any = None, repeated_distro: str = "first") -> Any:
        if path is not None and len(path) == 1 and path[0] == INSTALLED:
            return iter(read_once(path[0], repeated_distro))
        return read(path, repeated_distro)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(entrypoints, "iter_files_distros", iter_files_distros)
        yield


@pytest.fixture(autouse=True, scope="session")
def _measured_here() -> Iterator[None]:
    """No busy machine makes measuring seem worth other processes, each of which would import everything anew."""
    from kdkit.evaluation import measurement

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measurement, "SECONDS_WORTH_PROCESSES", math.inf)
        yield


@pytest.fixture(scope="session")
def _commands_once() -> Iterator[None]:
    """The commands are built of their functions once, which else is a fifth of a short command's time."""
    import typer.main

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(typer.main, "get_command", cache(typer.main.get_command))
        yield


def pytest_runtest_setup() -> None:
    """Lightning asks every installed distribution for callbacks, a tenth of a small run's time; here none has any."""
    connector: Any = sys.modules.get("lightning.pytorch.trainer.connectors.callback_connector")
    if connector is not None:
        connector._load_external_callbacks = lambda group: []


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send themselves."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def cli(
    home: Path, _commands_once: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finished]:
    """Run ``kdkit ARGUMENTS`` in this process."""
    from kdkit_cli.main import main

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["kdkit", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        return Finished(code, printed.out, printed.err)

    return run


@pytest.fixture
def process(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the installed command ``kdkit ARGUMENTS`` in a process group of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [str(KDKIT), *map(str, arguments)]
        started.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                # Tests that themselves run in the background may have been started with interruptions ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        )
        return started[-1]

    yield start
    for child in started:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts ``kdkit ARGUMENTS`` in a process of its own that has torch and kdkit from the first moment on.

    Importing them takes longer than most of what tests do: it is used in place of :func:`process` wherever the start
    is not what is tested.
    """
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small disk of its own; the test is skipped where that is not permitted."""
    folders: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(folders)}"
        folder.mkdir()
        process = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if process.returncode:
            pytest.skip(f"mounting is not permitted here: {process.stderr.strip()}")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def toy_run() -> Callable[..., Run]:
    """Prepare a run of the toy domain, which must be installed, with settings as ``--set`` takes them."""
    from kdkit.plugins.registry import discover
    from kdkit.progress import Silence
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.folder import choose_folder
    from kdkit.runs.run import Run

    def prepared(home: Path, *settings: str) -> Run:
        experiment = load_experiment(discover({}), "toy", None, settings)
        return Run(experiment, choose_folder(home, "toy", experiment.identity(), None), home / "store", Silence())

    return prepared


@pytest.fixture
def prepare(toy: Path, toy_run: Callable[..., Run]) -> Callable[..., Run]:
    """A run of the toy domain, with settings as ``--set`` takes them, ready for the stages."""
    return partial(toy_run, toy)


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """An address space of 4 GB beyond what the process has when the test begins."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        pytest.skip("the address space of a process is limited on Linux alone")
    size = int(statm.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + (4 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
