"""One run folder, one writer."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest

from kdkit.errors import StoreError
from kdkit.owner import host, is_running, process_start
from kdkit.runs.folder import choose_folder
from kdkit.runs.lock import LOCK, STALE_SECONDS, RunLock, hold


def write_holder(folder, **changes):
    """A lock as another process would have left it."""
    folder.mkdir(exist_ok=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    holder = {
        "owner": "ann", "host": host(), "process": dead.pid, "started": 1.0, "since": 1.0, "token": "x"
    } | changes  # fmt: skip
    (folder / LOCK).write_text(json.dumps(holder))


def test_a_second_writer_is_refused_at_once_with_who_and_since_when_and_how_to_go_on(tmp_path, monkeypatch):
    with hold(tmp_path / "run") as lock:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(lock.holder().since))
        # It cannot wait.
        monkeypatch.setattr("kdkit.runs.lock.time", SimpleNamespace(time=time.time, monotonic=time.monotonic))
        with pytest.raises(StoreError) as refusal, hold(tmp_path / "run"):
            pass
        assert f"process {os.getpid()} of " in refusal.value.message and f"since {since}" in refusal.value.message
        assert f"kill {os.getpid()}" in refusal.value.remedy and "--out" in refusal.value.remedy
        assert (tmp_path / "run" / LOCK).is_file()
    assert not (tmp_path / "run").exists(), "nothing was made in it"


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    write_holder(tmp_path / "run")
    with hold(tmp_path / "run") as lock:
        assert lock.holder().process == os.getpid()


def test_a_number_that_another_process_has_now_is_not_the_holder(tmp_path):
    write_holder(tmp_path / "run", process=os.getpid())
    with hold(tmp_path / "run"):
        pass


def test_a_holder_on_another_machine_lives_as_long_as_its_heart_beats(tmp_path):
    write_holder(tmp_path / "run", host="elsewhere 1")
    with pytest.raises(StoreError, match="of ann on elsewhere since") as refusal, hold(tmp_path / "run"):
        pass
    assert "kill" not in refusal.value.remedy
    old = time.time() - STALE_SECONDS - 1
    os.utime(tmp_path / "run" / LOCK, (old, old))
    with hold(tmp_path / "run"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": 1}'])
def test_a_lock_cut_off_while_it_was_written_is_taken_over_after_a_moment(tmp_path, monkeypatch, content):
    monkeypatch.setattr("kdkit.runs.lock._MOMENT_SECONDS", 0.2)
    file = tmp_path / LOCK
    file.write_text(content)
    with hold(tmp_path) as lock:
        assert lock.holder().token == lock.token
    tmp_path.mkdir(exist_ok=True)  # an empty folder has gone with its lock
    file.write_text(content)
    ahead = time.time() + 1000  # by the clock of another machine
    os.utime(file, (ahead, ahead))
    with pytest.raises(StoreError, match="has just begun"):
        RunLock(tmp_path).acquire()


def test_a_lock_that_is_being_written_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("kdkit.runs.lock._MOMENT_SECONDS", 600.0)
    (tmp_path / LOCK).touch()
    alive = {"process": os.getpid(), "started": process_start(os.getpid())}
    writer = threading.Timer(0.2, write_holder, [tmp_path], alive)
    writer.start()
    with pytest.raises(StoreError, match="is being written by process"):
        RunLock(tmp_path).acquire()
    writer.join()


@pytest.mark.parametrize(
    "changes",
    [
        *({"process": "all"}, {"process": -1}, {"process": 10**30}, {"started": None}, {"since": 1e300}),
        *({"since": float("nan")}, {"token": []}, {"host": {"a": 1}}, {"extra": "\x1b[2J"}),
    ],
    ids=str,
)
def test_a_lock_that_says_what_none_says_is_one_of_nobody(tmp_path, changes):
    write_holder(tmp_path, **changes)
    os.utime(tmp_path / LOCK, (1, 1))
    with hold(tmp_path):
        pass


def test_a_lock_that_is_nested_beyond_any_use_is_taken_over(tmp_path):
    (tmp_path / LOCK).write_text("[" * 200_000)
    os.utime(tmp_path / LOCK, (1, 1))
    with hold(tmp_path):
        pass


def test_a_takeover_that_was_cut_off_stands_in_nobodys_way(tmp_path):
    write_holder(tmp_path / "run")
    permit = tmp_path / "run" / f"{LOCK}.takeover"
    permit.touch()
    os.utime(permit, (1, 1))
    with hold(tmp_path / "run"):
        pass


def test_a_lock_that_another_has_taken_over_is_not_released(tmp_path):
    with hold(tmp_path / "run"):
        write_holder(tmp_path / "run")
    assert (tmp_path / "run" / LOCK).is_file()


def test_of_many_that_find_a_dead_lock_at_once_one_alone_gets_it(tmp_path):
    write_holder(tmp_path / "run")
    code = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from kdkit.errors import StoreError
        from kdkit.runs.lock import hold
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            with hold(Path({str(tmp_path / "run")!r})):
                print("held", flush=True)
                sys.stdin.read()
        except StoreError:
            print("refused", flush=True)
        """
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    words = [process.stdout.readline().strip() for process in processes]
    for process in processes:
        process.communicate()
    assert sorted(words) == ["held"] + ["refused"] * 5


def test_a_named_folder_with_nothing_but_a_dead_lock_can_be_used(tmp_path):
    write_holder(tmp_path / "run")
    choose_folder(tmp_path, "toy", "00ab", tmp_path / "run")


def test_a_named_folder_whose_manifest_is_damaged_is_made_anew(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text('{"identity": "00')
    (tmp_path / "run" / "student").mkdir()
    assert choose_folder(tmp_path, "toy", "00ab", tmp_path / "run").manifest() == {}


def test_the_holder_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr("kdkit.runs.lock.BEAT_SECONDS", 0.02)
    with hold(tmp_path / "run") as lock:
        os.utime(lock.file, (1, 1))
        end = time.monotonic() + 600
        while lock.file.stat().st_mtime == 1:
            assert time.monotonic() < end, "it shows nothing"
            time.sleep(0.01)


def test_a_process_is_known_by_its_number_and_its_start():
    start = process_start(os.getpid())
    assert is_running(os.getpid(), start) and not is_running(os.getpid(), start - 60)
