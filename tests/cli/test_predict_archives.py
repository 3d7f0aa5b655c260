"""``kdkit predict`` on zip archives: members are files, and nothing in an archive harms the rest."""

import csv
import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kdkit import archives


def clip(seed=0, shape=(4, 16, 16)):
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8))
    return buffer.getvalue()


def pack(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def rows(out):
    with (out / "summary.csv").open() as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of the system's temporary files, of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_members_are_predicted_as_the_same_files_are(trained, cli, tmp_path, temporary):
    files, data = tmp_path / "files", {"a.npy": clip(1), "p 1/b.NPY": clip(2), "p 1/deep/ü\n😀.npy": clip(3)}
    for name, content in data.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(content)
    packed = tmp_path / "packed"
    packed.mkdir()
    extra = {"notes.txt": "none", "__MACOSX/._a.npy": b"x", ".hidden.npy": clip(), "empty/": b""}
    archive = pack(packed / "Clips.ZIP", data | extra)
    assert cli("predict", trained, files, "--out", tmp_path / "plain").code == 0
    for number, given in enumerate((archive, packed)):
        out = tmp_path / f"out{number}"
        result = cli("predict", trained, given, "--out", out)
        assert result.code == 0, result.err
        assert set(rows(out)) == {f"{archive}/{name}" for name in data}
        for file in (tmp_path / "plain").glob("*.npz"):
            np.testing.assert_array_equal(np.load(out / file.name)["prediction"], np.load(file)["prediction"])
    assert list(temporary.iterdir()) == []
    one = f"{archive}/p 1/b.NPY"
    assert cli("predict", trained, one, "--out", tmp_path / "one").code == 0
    assert list(rows(tmp_path / "one")) == [one]


def damaged(path, name):
    """Change a byte in the middle of a member that is not compressed."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(name) + info.file_size // 2] ^= 0xFF
    path.write_bytes(data)


def flagged(path, name, offset, value):
    """Write two bytes into the central directory's entry of a member."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(name.encode()) - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    data[entry + offset : entry + offset + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)


def test_what_is_wrong_with_a_member_is_named_and_the_others_go_on(trained, cli, tmp_path, temporary, monkeypatch):
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "1MB")
    inner = pack(tmp_path / "inner", {"x.npy": clip()}).read_bytes()
    names = (
        "good.npy",
        "damaged.npy",
        "secret",
        "method.npy",
        "../../out.npy",
        "a/../../up.npy",
        "/abs.npy",
        "in.zip",
    )
    data = {name: clip(number) for number, name in enumerate(names)} | {"in.zip": inner}
    archive = pack(tmp_path / "a.zip", data, zipfile.ZIP_STORED)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.npy", bytes(2_000_000))
    damaged(archive, "damaged.npy")
    flagged(archive, "secret", 8, 1)
    flagged(archive, "method.npy", 10, 97)
    torn = pack(tmp_path / "torn.zip", {"a.npy": clip()})
    torn.write_bytes(torn.read_bytes()[:-30])
    before = set(tmp_path.rglob("*"))
    result = cli("predict", trained, archive, torn, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    problems = {name: row["problem"] for name, row in rows(tmp_path / "out").items()}
    expected = {
        f"{archive}/good.npy": "",
        f"{archive}/damaged.npy": "cannot be unpacked: Bad CRC-32",
        f"{archive}/secret": "is encrypted",
        f"{archive}/method.npy": "cannot be unpacked",
        f"{archive}/../../out.npy": "leads out of the archive",
        f"{archive}/a/../../up.npy": "leads out of the archive",
        f"{archive}/abs.npy": "leads out of the archive",
        f"{archive}/in.zip": "archive within an archive",
        f"{archive}/bomb.npy": "KDKIT_LARGEST_FILE",
        f"{torn}": "no zip archive, or a damaged one",
    }
    assert set(problems) == set(expected)
    assert all(text in problems[name] for name, text in expected.items()), problems
    assert not problems[f"{archive}/good.npy"]
    there = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in there)
    assert list(temporary.iterdir()) == [] and "Traceback" not in result.err


def test_a_member_that_is_larger_than_it_declares_is_not_unpacked_further(tmp_path):
    archive = pack(tmp_path / "a.zip", {"a.npy": bytes(3_000_000)})
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    archive.write_bytes(data)
    path = archive / "a.npy"
    with pytest.raises(archives.DataError, match="cannot be unpacked"), archives.local_file(path):
        pytest.fail("it was unpacked")


def test_a_command_goes_on_by_the_members_content(trained, cli, tmp_path):
    archive, out = tmp_path / "a.zip", tmp_path / "out"
    pack(archive, {"a.npy": clip(1), "b.npy": clip(2), "copy.npy": clip(1)})
    assert cli("predict", trained, archive, "--out", out).code == 0
    assert rows(out)[f"{archive}/copy.npy"]["duplicate_of"] == f"{archive}/a.npy"
    pack(archive, {"z.npy": clip(9), "b.npy": clip(2), "a.npy": clip(4)}, zipfile.ZIP_STORED)
    os.utime(archive, (1, 1))
    result = cli("predict", trained, archive, "--out", out)
    assert result.code == 0 and "1 file predicted before" in result.out
    assert [Path(name).name for name in rows(out)] == ["a.npy", "b.npy", "z.npy"]


@pytest.mark.slow
def test_members_are_shared_among_processes(trained, cli, tmp_path):
    archive = pack(tmp_path / "a.zip", {f"{number}.npy": clip(number) for number in range(13)})
    result = cli("predict", trained, archive, "--out", tmp_path / "out", "--workers", "2")
    assert result.code == 0, result.err
    assert len(list((tmp_path / "out").glob("*.npz"))) == 13
