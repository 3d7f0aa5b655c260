"""What is being written when its process is stopped or killed is not left behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kdkit.atomic import write_bytes
from kdkit.owner import tag

# Hands over a half-written file, and waits.
WRITER = """
import sys, time
from pathlib import Path
from kdkit import atomic, stopping

def wait(*_):
    print("half", flush=True)
    time.sleep(3600)

atomic.os.fsync = wait
stopping.handle_signals()
try:
    atomic.write_bytes(Path(sys.argv[1]), b"new")
except KeyboardInterrupt:
    sys.exit(stopping.exit_code())
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing ``out/file``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out" / "file")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "half\n"
    yield process
    process.kill()
    process.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_writer_that_is_stopped_leaves_nothing(writer, tmp_path, number):
    writer.send_signal(number)
    assert writer.wait(timeout=600) == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert names(tmp_path / "out") == []


def test_what_a_killed_writer_leaves_is_gone_after_the_next_write_in_its_folder(writer, tmp_path):
    writer.kill()
    writer.wait()
    assert len(names(tmp_path / "out")) == 1
    write_bytes(tmp_path / "out" / "another", b"x")
    assert names(tmp_path / "out") == ["another"]


def test_what_somebody_is_writing_is_left_alone(writer, tmp_path):
    (tmp_path / "out" / f".mine.{tag()}.partial").touch()
    (tmp_path / "out" / ".notes.partial").touch()
    write_bytes(tmp_path / "out" / "another", b"x")
    assert len(names(tmp_path / "out")) == 4
