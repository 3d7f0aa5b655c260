"""``kdkit predict`` on files: each answered or skipped with its reason, and never a half result."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kdkit.atomic import write_sealed
from kdkit.errors import DataError, KdkitError
from kdkit.owner import tag


@pytest.fixture
def clips(tmp_path):
    """A folder of inputs: three clips of different sizes, and everything that can be wrong with one."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in {"a": (4, 16, 16), "b": (7, 20, 12), "c": (1, 16, 16)}.items():
        np.save(folder / f"{name}.npy", rng.integers(0, 256, shape).astype(np.uint8))
    return folder


def rows(out):
    with (out / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_each_file_gets_its_answer_and_its_row(trained, clips, cli, tmp_path):
    out = tmp_path / "out"
    result = cli("predict", trained, clips / "b.npy", clips / "a.npy", "--out", out)
    assert result.code == 0, result.err
    assert "2 files · 11 frames" in result.out and "summary.csv" in result.out
    assert re.search(r"[0-9.]+ s in all, [0-9.]+ s of it for the files", result.out)
    assert [(Path(row["file"]).name, row["frames"]) for row in rows(out)] == [("b.npy", "7"), ("a.npy", "4")]
    prediction = np.load(out / "b.npz")["prediction"]
    assert prediction.shape == (7, 20, 12) and 0 <= prediction.min() < prediction.max() <= 1
    assert sorted(path.name for path in out.glob("[!.]*")) == ["a.npz", "b.npz", "index.html", "summary.csv"]


def test_a_folder_means_the_files_of_the_domain_in_it(trained, clips, cli, tmp_path):
    (clips / "notes.txt").write_text("not an input")
    (clips / "deeper").mkdir()
    shutil.copy(clips / "a.npy", clips / "deeper" / "d.NPY")
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0
    assert {Path(row["file"]).name for row in rows(tmp_path / "out")} == {"a.npy", "b.npy", "c.npy", "d.NPY"}


def test_the_students_own_folder_is_enough(trained, clips, cli, tmp_path):
    alone = shutil.copytree(trained / "student", tmp_path / "elsewhere")
    assert cli("predict", alone, clips, "--out", tmp_path / "out").code == 0
    assert cli("predict", trained, clips, "--out", tmp_path / "out2").code == 0
    for name in ("a", "b", "c"):
        first, second = (np.load(tmp_path / out / f"{name}.npz")["prediction"] for out in ("out", "out2"))
        np.testing.assert_array_equal(first, second)


def test_what_cannot_be_read_is_skipped_with_its_reason_and_a_count(trained, clips, cli, tmp_path):
    whole = (clips / "a.npy").read_bytes()
    (clips / "cut.npy").write_bytes(whole[:-10])
    (clips / "empty.npy").write_bytes(b"")
    (clips / "text.npy").write_text("no array")
    np.save(clips / "flat.npy", np.zeros(5, np.uint8))
    np.save(clips / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0
    skipped = [line for line in result.err.splitlines() if line.strip().startswith("skipped:")]
    named = {Path(line.split()[1]).name: line for line in skipped}
    assert set(named) == {"cut.npy", "empty.npy", "text.npy", "flat.npy", "objects.npy"}
    assert "cannot take it" in named["flat.npy"]
    assert all("(" in line for line in skipped)
    assert "3 files" in result.out and "5 files skipped" in result.out
    table = {Path(row["file"]).stem: row for row in rows(tmp_path / "out")}
    assert [stem for stem, row in table.items() if not row["problem"]] == ["a", "b", "c"]
    assert "cannot take it" in table["flat"]["problem"] and table["flat"]["frames"] == ""
    assert "Traceback" not in result.err


def test_when_no_file_can_be_read_the_exit_code_is_1(trained, cli, tmp_path):
    (tmp_path / "x.npy").write_bytes(b"")
    (tmp_path / "y.npy").write_bytes(b"no array")
    result = cli("predict", trained, tmp_path / "x.npy", tmp_path / "y.npy", "--out", tmp_path / "out")
    assert result.code == 1
    assert "none of 2 files could be read" in result.err and result.err.count("skipped:") == 2
    assert all(row["problem"] for row in rows(tmp_path / "out"))


def test_a_folder_without_inputs_is_named(trained, cli, tmp_path):
    (tmp_path / "nothing").mkdir()
    result = cli("predict", trained, tmp_path / "nothing", "--out", tmp_path / "out")
    assert result.code == 1
    assert "nothing" in result.err and ".npy" in result.err


@pytest.mark.parametrize("options", [[], ["--stream"]], ids=["files", "stream"])
def test_what_is_not_there_is_told_before_anything_is_loaded(trained, clips, cli, tmp_path, monkeypatch, options):
    def load(*arguments):
        pytest.fail("a student is loaded")

    monkeypatch.setattr("kdkit.api.load_student", load)
    refused = cli("predict", trained, tmp_path / "gone.npy", *options, "--out", tmp_path / "out")
    assert refused.code == 2 and f"{tmp_path / 'gone.npy'} does not exist" in refused.err
    assert not (tmp_path / "out").exists()


def test_everything_that_is_not_there_is_in_one_message(trained, clips, cli, tmp_path):
    refused = cli("predict", trained, clips, tmp_path / "one", tmp_path / "two.npy", "--out", tmp_path / "out")
    assert refused.code == 2 and f"{tmp_path / 'one'}, {tmp_path / 'two.npy'} do not exist" in refused.err


def test_a_pipe_is_refused_rather_than_waited_for(trained, cli, tmp_path):
    os.mkfifo(tmp_path / "clip.npy")
    refused = cli("predict", trained, tmp_path / "clip.npy", "--out", tmp_path / "out")
    assert refused.code == 2 and "clip.npy is neither a file nor a folder" in refused.err
    assert not (tmp_path / "out").exists()


def test_files_of_one_name_do_not_overwrite_each_other(trained, clips, cli, tmp_path):
    for number, (folder, name) in enumerate((("one", "a"), ("two", "a"), ("two", "a-2"))):
        (tmp_path / folder).mkdir(exist_ok=True)
        np.save(tmp_path / folder / f"{name}.npy", np.full((4, 16, 16), number, np.uint8))
    out = tmp_path / "out"
    result = cli("predict", trained, tmp_path / "one", tmp_path / "two", "--out", out)
    assert result.code == 0
    assert {f"{row['output']}.npz" for row in rows(out)} == {path.name for path in out.glob("*.npz")}
    for row in rows(out):
        single = tmp_path / f"alone-{row['output']}"
        assert cli("predict", trained, row["file"], "--out", single).code == 0
        (alone,) = single.glob("*.npz")
        np.testing.assert_array_equal(
            np.load(out / f"{row['output']}.npz")["prediction"], np.load(alone)["prediction"]
        )
    assert len(rows(out)) == 3


NAMES = [
    b"lat\xe9n",
    b"two\nlines",
    b"\x1b[31mred",
    "😀 with space".encode(),
    b"[bold]",
    b"-dash",
    b"A",
    ("é" * 125).encode(),
    ("é" * 124 + "e").encode(),
    b"x" * 251,
    b".",
    b"..",
    b"...",
]


def test_whatever_a_file_is_called_it_is_predicted_once(trained, clips, cli, tmp_path, predictions):
    paths = [clips / f"{os.fsdecode(name)}.npy" for name in NAMES]
    for number, path in enumerate(paths):
        with path.open("wb") as file:
            np.save(file, np.full((4, 16, 16), number, np.uint8))
    before = {path.name for path in tmp_path.iterdir()}
    (clips / f"{os.fsdecode(NAMES[0])} empty.npy").touch()
    out = tmp_path / "out"
    log = tmp_path / "log"
    # Files that are hidden because of a point before their names are meant only where they are named.
    inputs = [clips, *(path for path in paths if path.name.startswith("."))]
    result = cli("predict", trained, *inputs, "--out", out, "--log-file", log)
    assert result.code == 0, result.err
    assert {path.name for path in tmp_path.iterdir()} == before | {"out", "log"}  # nothing beside --out
    assert "lat\\udce9n empty.npy (" in result.err and "\x1b" not in result.err + log.read_text()
    assert len({file.name.casefold() for file in out.glob("*.npz")}) == len(NAMES) + 3
    assert len(rows(out)) == len(NAMES) + 4
    first = len(predictions)
    assert f"{len(NAMES) + 3} files predicted before" in cli("predict", trained, *inputs, "--out", out).out
    assert len(predictions) == first + 1  # the empty one is tried again


def test_what_may_not_be_read_is_named(trained, clips, cli, tmp_path, monkeypatch):
    real_scandir, real_stat = os.scandir, Path.stat
    (clips / "locked").mkdir()

    def scandir(path="."):
        if "locked" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real_scandir(path)

    def stat(path, **options):
        if "locked/" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real_stat(path, **options)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "stat", stat)
    result = cli("predict", trained, clips, clips / "locked" / "x.npy", "--out", tmp_path / "out")
    assert result.code == 0 and "3 files ·" in result.out and "2 files skipped" in result.out
    skipped = [line.split()[1] for line in result.err.splitlines() if line.strip().startswith("skipped:")]
    assert skipped == [str(clips / "locked"), str(clips / "locked" / "x.npy")]


def test_results_are_not_written_beside_the_inputs_that_they_could_replace(trained, clips, cli):
    before = {path: path.read_bytes() for path in clips.iterdir()}
    result = cli("predict", trained, clips / "a.npy", "--out", clips)
    assert result.code == 2
    assert "--out" in result.err and "a.npy" in result.err
    assert {path: path.read_bytes() for path in clips.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_predicted(trained, clips, cli, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = cli("predict", trained, clips, "--out", tmp_path / "file")
    assert result.code == 2
    assert f"{tmp_path / 'file'} is a file" in result.err and "Traceback" not in result.err


@pytest.mark.parametrize(("place", "message"), [("clips", "holds no student"), ("nowhere", "nowhere does not exist")])
def test_a_folder_that_is_no_student_is_named(toy, clips, cli, tmp_path, place, message):
    result = cli("predict", tmp_path / place, clips / "a.npy", "--out", tmp_path / "out")
    assert result.code == 2
    assert message in result.err and "card.json" in result.err
    assert not (tmp_path / "out").exists()


def damaged_card(change):
    def damage(student):
        card = json.loads((student / "card.json").read_text())
        change(card)
        write_sealed(student / "card.json", card)

    return damage


DAMAGE = {
    "cut weights": (lambda s: cut(s / "weights.safetensors", 60), 1, "weights.safetensors is damaged"),
    "a byte of the weights": (lambda s: flip(s / "weights.safetensors"), 1, "weights.safetensors is damaged"),
    "a byte of the card": (lambda s: flip(s / "card.json"), 1, "card.json is"),
    "an edited card": (
        lambda s: edit(s / "card.json", '"gain": 1', '"gain": 2'),
        1,
        "card.json is damaged, or was ed",
    ),
    "no weights": (lambda s: (s / "weights.safetensors").unlink(), 1, "weights.safetensors does not exist"),
    "cut card": (lambda s: cut(s / "card.json", 60), 1, "is not a student's card"),
    "list for a card": (lambda s: (s / "card.json").write_text("[1]"), 1, "is not a student's card"),
    "options missing": (damaged_card(lambda c: c.pop("options")), 1, "is not a student's card"),
    "options of another kind": (damaged_card(lambda c: c.update(options=[1])), 1, "is not a student's card"),
    "newer format": (damaged_card(lambda c: c.update(format=99)), 1, "newer kdkit"),
    "older format": (
        damaged_card(lambda c: c.update(format=1)),
        1,
        "older kdkit, whose students this one cannot read",
    ),
    "no components": (damaged_card(lambda c: c.pop("components")), 1, "is not a student's card"),
    "no word on the domain": (damaged_card(lambda c: c["components"].pop("domain")), 1, "is not a student's card"),
    "unknown option": (damaged_card(lambda c: c["options"].update(gone=1)), 1, "options that this pixelwise"),
    "unknown student": (damaged_card(lambda c: c.update(component="pixelwize")), 2, "did you mean pixelwise?"),
    "unknown domain": (damaged_card(lambda c: c.update(domain="toyz")), 2, "did you mean toy?"),
}


NOTES = {
    "distribution": ("kdkit-elsewhere", "came from kdkit-elsewhere, now from kdkit-toy"),
    "version": ("0", "was version 0, now 1"),
    "digest": ("0123456789abcdef", "has changed in its code"),
}


@pytest.mark.parametrize("kind", ["student", "domain"])
@pytest.mark.parametrize("what", NOTES)
def test_a_component_that_is_not_the_one_of_the_training_is_said_in_one_line(
    trained, clips, cli, tmp_path, kind, what
):
    value, sentence = NOTES[what]
    damaged_card(lambda card: card["components"][kind].update({what: value}))(trained / "student")
    result = cli("predict", trained, clips / "a.npy", "--out", tmp_path / "out")
    assert result.code == 0
    (line,) = [line for line in result.err.splitlines() if "note:" in line]
    assert f"the {kind} " in line and line.endswith(sentence)


def test_nothing_is_said_of_components_that_are_the_same_or_cannot_be_compared(trained, clips, cli, tmp_path):
    assert "note:" not in cli("predict", trained, clips / "a.npy", "--out", tmp_path / "one").err
    damaged_card(lambda card: card["components"]["student"].update(digest=""))(trained / "student")
    assert "note:" not in cli("predict", trained, clips / "a.npy", "--out", tmp_path / "two").err


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def replace_weights(student, state):
    from safetensors.numpy import save_file

    save_file(state, student / "weights.safetensors")
    damaged_card(lambda card: card.pop("weights_sha256"))(student)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_student_is_told_in_one_message(trained, clips, cli, tmp_path, damage):
    strike, code, message = DAMAGE[damage]
    strike(trained / "student")
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == code
    assert message in result.err
    assert result.err.count("error:") == 1 and "Traceback" not in result.err


def test_weights_of_another_architecture_name_the_first_keys_that_differ(trained, clips, cli, tmp_path):
    state = {"layer.weight": np.zeros((2, 1, 3, 3), np.float32), "head.bias": np.zeros(1, np.float32)}
    replace_weights(trained / "student", state)
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 1
    assert "holds the weights of another architecture" in result.err
    for difference in (
        "missing: layer.bias",
        "unexpected: head.bias",
        "layer.weight is (2, 1, 3, 3), not (1, 1, 3, 3)",
    ):
        assert difference in result.err


def test_options_that_mean_nothing_for_files_are_refused(trained, clips, cli, tmp_path):
    for option in (["--num-nodes", "2"], ["--strategy", "ddp"], ["--set", "seed=1"], ["--fresh"]):
        result = cli("predict", trained, clips, "--out", tmp_path / "out", *option)
        assert result.code == 2 and ("seed=1" if option[0] == "--set" else option[0]) in result.err


def test_a_run_without_files_asks_for_them_and_files_without_a_place_ask_for_it(trained, clips, cli):
    result = cli("predict", trained)
    assert result.code == 2 and "inputs" in result.err.lower()
    result = cli("predict", trained, clips)
    assert result.code == 2 and "--out" in result.err


def test_a_machine_without_the_hardware_says_so(trained, clips, cli, tmp_path):
    result = cli("predict", trained, clips, "--out", tmp_path / "out", "--accelerator", "tpu")
    assert result.code == 2
    assert "this machine cannot run with accelerator=tpu" in result.err and "Traceback" not in result.err
    assert "Change --accelerator, or go without." in result.err and "recipe" not in result.err


@pytest.fixture
def predictions(monkeypatch):
    """The names of the files that are really predicted, in order."""
    from kdkit.engine import file_prediction

    names = []
    real = file_prediction.predict_sample

    def noting(student, sample, device):
        names.append("unreadable" if isinstance(sample, str) else sample.info["name"])
        return real(student, sample, device)

    monkeypatch.setattr(file_prediction, "predict_sample", noting)
    return names


def test_what_was_predicted_is_kept_and_what_changed_is_predicted_again(trained, clips, cli, tmp_path, predictions):
    out = tmp_path / "out"
    assert cli("predict", trained, clips, "--out", out).code == 0
    before = (out / "summary.csv").read_bytes()
    first = list(predictions)
    again = cli("predict", trained, clips, "--out", out)
    assert again.code == 0 and "3 files predicted before" in again.out
    assert predictions == first and (out / "summary.csv").read_bytes() == before
    np.save(clips / "b.npy", np.full((7, 20, 12), 9, np.uint8))
    (out / "c.npz").unlink()
    assert "1 file predicted before" in cli("predict", trained, clips, "--out", out).out
    assert predictions[len(first) :] == ["b", "c"]
    assert (out / "c.npz").is_file()


def test_an_interrupted_command_goes_on_with_a_whole_summary(trained, clips, cli, tmp_path, predictions, monkeypatch):
    from kdkit_toy.domain import Toy

    out, real = tmp_path / "out", Toy.write

    def interrupted(self, path, sample, prediction, stem):
        if path.stem == "b":
            raise KeyboardInterrupt
        return real(self, path, sample, prediction, stem)

    monkeypatch.setattr(Toy, "write", interrupted)
    assert cli("predict", trained, clips, "--out", out).code == 130
    assert [Path(row["file"]).stem for row in rows(out)] == ["a"]
    # As a kill leaves it: the last line cut off.
    log = out / ".predictions.jsonl"
    log.write_text(log.read_text() + '{"file": "half')
    monkeypatch.setattr(Toy, "write", real)
    assert cli("predict", trained, clips, "--out", out).code == 0
    assert predictions == ["a", "b", "b", "c"]
    assert [Path(row["file"]).stem for row in rows(out)] == ["a", "b", "c"]


def test_a_command_that_is_stopped_while_it_looks_at_what_is_there_loses_nothing(
    trained, clips, cli, tmp_path, predictions, monkeypatch
):
    from kdkit.engine import prediction_log

    out, real = tmp_path / "out", prediction_log.file_digest
    assert cli("predict", trained, clips, "--out", out).code == 0

    def interrupted(path):
        if path.name == "b.npy":
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(prediction_log, "file_digest", interrupted)
    for path in clips.iterdir():  # touched: whether it is the same is for its content to say
        os.utime(path, (1, 1))
    assert cli("predict", trained, clips, "--out", out).code == 130
    monkeypatch.setattr(prediction_log, "file_digest", real)
    assert "3 files predicted before" in cli("predict", trained, clips, "--out", out).out
    assert predictions == ["a", "b", "c"]


def test_another_students_results_are_not_kept(trained, clips, cli, tmp_path, predictions):
    from safetensors.numpy import load_file

    other = shutil.copytree(trained / "student", tmp_path / "other")
    weights = load_file(other / "weights.safetensors")
    replace_weights(other, {name: value * 0.5 for name, value in weights.items()})
    out = tmp_path / "out"
    cli("predict", trained, clips, "--out", out)
    cli("predict", other, clips, "--out", out)
    assert predictions == ["a", "b", "c"] * 2


def test_many_files_are_shared_among_processes(trained, clips, cli, tmp_path, monkeypatch):
    from kdkit.engine import predict_files

    alone, together = tmp_path / "alone", tmp_path / "together"
    (clips / "cut.npy").write_bytes((clips / "a.npy").read_bytes()[:-10])
    assert cli("predict", trained, clips, "--out", alone).code == 0
    monkeypatch.setattr(predict_files, "FEWEST_FILES_FOR_WORKERS", 2)
    monkeypatch.setattr(predict_files, "usable_cores", lambda: 2)
    assert cli("predict", trained, clips, "--out", together).code == 0
    assert (together / "summary.csv").read_bytes() == (alone / "summary.csv").read_bytes()
    for name in ("a", "b", "c"):
        first, second = (np.load(out / f"{name}.npz")["prediction"] for out in (alone, together))
        np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param((), id="processor"),
        pytest.param(("--precision", "bf16-mixed"), id="lightning", marks=pytest.mark.slow),
    ],
)
def test_devices_share_the_files_a_process_for_each(trained, clips, cli, tmp_path, monkeypatch, way):
    from kdkit.engine import predict_files, shared_prediction

    alone, together = tmp_path / "alone", tmp_path / "together"
    (clips / "cut.npy").write_bytes((clips / "a.npy").read_bytes()[:-10])
    pools, share = [], shared_prediction.map_in_processes

    def noting(call, calls, workers, **options):
        pools.append(workers)
        return share(call, calls, workers, **options)

    assert cli("predict", trained, clips, "--out", alone, *way).code == 0
    monkeypatch.setattr(predict_files, "FEWEST_FILES_FOR_WORKERS", 2)
    monkeypatch.setattr(shared_prediction, "map_in_processes", noting)
    result = cli("predict", trained, clips, "--out", together, "--accelerator", "cpu", "--devices", "2", *way)
    assert result.code == 0, result.err
    assert pools == [2]
    assert (together / "summary.csv").read_bytes() == (alone / "summary.csv").read_bytes()
    for name in ("a", "b", "c"):
        first, second = (np.load(out / f"{name}.npz")["prediction"] for out in (alone, together))
        np.testing.assert_allclose(first, second, atol=1e-2 if way else 1e-6)


def test_a_file_that_kills_its_process_is_skipped_and_no_other(trained, clips, monkeypatch):
    """The pool breaks while "b" is read; each file under way is then tried in a process of its own."""
    from concurrent.futures.process import BrokenProcessPool

    from kdkit.api import load_student
    from kdkit.engine import shared_prediction
    from kdkit.engine.prediction_log import FileResult

    student = load_student(trained).student
    paths = [clips / f"{name}.npy" for name in "abc"]

    def pool(call, calls, workers, preload=()):
        for _, batch, *_ in calls:
            if any(path.stem == "b" for path, _ in batch):
                raise BrokenProcessPool("was killed")
            yield [FileResult(str(path), "") for path, _ in batch]

    monkeypatch.setattr(shared_prediction, "map_in_processes", pool)
    stems = {path: path for path in paths}
    for results in (
        shared_prediction.predict_on_cores(student, paths, stems, 1),
        shared_prediction.predict_on_devices(student, paths, stems, None, [0]),
    ):
        reasons = {Path(result.file).stem: result.skipped for result in results}
        assert {name: bool(reason) for name, reason in reasons.items()} == {"a": False, "b": True, "c": False}
        assert "killed" in reasons["b"]


def test_what_a_domain_cannot_write_is_refused_before_anything(trained, clips, cli, tmp_path):
    refused = cli("predict", trained, clips, "--out", tmp_path / "out", "--overlay", "mp4")
    assert refused.code == 2
    assert "the domain toy cannot write overlay='mp4'" in refused.err and "none" in refused.err
    assert not (tmp_path / "out").exists()
    assert cli("predict", trained, clips, "--out", tmp_path / "out", "--set", "overlay").code == 2


def test_a_file_that_is_a_copy_of_another_has_its_row_and_says_so(trained, clips, cli, tmp_path, predictions):
    (clips / "deeper").mkdir()
    shutil.copy(clips / "a.npy", clips / "deeper" / "copy.npy")
    os.link(clips / "b.npy", clips / "link.npy")
    (clips / "same-size.npy").write_bytes((clips / "a.npy").read_bytes()[:-1] + b"\0")
    for name in ("broken1", "broken2"):
        (clips / f"{name}.npy").write_text("no array")
    out = tmp_path / "out"
    assert cli("predict", trained, clips, "--out", out).code == 0
    table = {Path(row["file"]).stem: row for row in rows(out)}
    first = {name: Path(row["duplicate_of"]).stem for name, row in table.items() if row["duplicate_of"]}
    assert first == {"copy": "a", "link": "b", "broken2": "broken1"}
    assert table["copy"]["area"] == table["a"]["area"] and table["broken2"]["problem"] == table["broken1"]["problem"]
    assert sorted(predictions) == ["a", "b", "c", "same-size", "unreadable"]
    assert sorted(file.stem for file in out.glob("*.npz")) == ["a", "b", "c", "same-size"]
    assert "6 files predicted before" in cli("predict", trained, clips, "--out", out).out


def test_a_copy_of_a_file_that_has_changed_is_predicted_itself(trained, clips, cli, tmp_path, predictions):
    shutil.copy(clips / "a.npy", clips / "z.npy")
    out = tmp_path / "out"
    assert cli("predict", trained, clips, "--out", out).code == 0
    before = np.load(out / "a.npz")["prediction"]
    np.save(clips / "a.npy", np.full((4, 16, 16), 9, np.uint8))
    assert "2 files predicted before" in cli("predict", trained, clips, "--out", out).out
    assert predictions == ["a", "b", "c", "a", "z"]
    np.testing.assert_array_equal(np.load(out / "z.npz")["prediction"], before)
    assert not any(row.get("duplicate_of") for row in rows(out))


def test_a_new_file_takes_no_earlier_ones_place(trained, clips, cli, tmp_path, predictions):
    out = tmp_path / "out"
    assert cli("predict", trained, clips, "--out", out).code == 0
    before = np.load(out / "b.npz")["prediction"]
    (clips / "a-folder").mkdir()
    np.save(clips / "a-folder" / "b.npy", np.full((4, 16, 16), 9, np.uint8))
    assert "3 files predicted before" in cli("predict", trained, clips, "--out", out).out
    np.testing.assert_array_equal(np.load(out / "b.npz")["prediction"], before)
    assert (out / "b-2.npz").is_file() and len(rows(out)) == 4


@pytest.mark.parametrize("place", ["read", "write", "preview"])
def test_whatever_a_domain_raises_on_a_file_the_others_go_on(trained, clips, cli, tmp_path, place, monkeypatch):
    from kdkit_toy.domain import Toy

    real = getattr(Toy, place)

    def raising(self, first, *rest):
        if "b" in (getattr(first, "stem", ""), getattr(first, "info", {}).get("name")):
            raise IndexError("no such tag")
        return real(self, first, *rest)

    monkeypatch.setattr(Toy, place, raising)
    out = tmp_path / "out"
    result = cli("predict", trained, clips, "--out", out)
    assert result.code == 0 and "Traceback" not in result.err
    table = {Path(row["file"]).stem: row["problem"] for row in rows(out)}
    assert "IndexError: no such tag" in table.pop("b") and table == {"a": "", "c": ""}
    assert {path.name for path in out.iterdir()} == {
        "a.npz",
        "c.npz",
        "index.html",
        "summary.csv",
        ".predictions.jsonl",
    }


def test_a_file_that_there_can_be_no_results_of_is_skipped_with_the_domains_reason(
    trained, clips, cli, tmp_path, monkeypatch
):
    from kdkit_toy.domain import Toy

    real = Toy.write

    def choosy(self, path, sample, prediction, stem):
        if path.stem == "b":
            raise DataError(f"{path} has no name to refer to", "Give it one.")
        return real(self, path, sample, prediction, stem)

    monkeypatch.setattr(Toy, "write", choosy)
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0 and "b.npy (has no name to refer to" in result.err
    problems = {Path(row["file"]).stem: row["problem"] for row in rows(tmp_path / "out")}
    assert problems == {"a": "", "b": "has no name to refer to. Give it one.", "c": ""}


def test_a_link_to_what_is_gone_is_named(trained, clips, cli, tmp_path):
    (clips / "gone.npy").symlink_to(tmp_path / "elsewhere.npy")
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0 and "1 file skipped" in result.out and "gone.npy (" in result.err
    assert {Path(row["file"]).stem: bool(row["problem"]) for row in rows(tmp_path / "out")}["gone"]


@pytest.mark.parametrize("kind", [OSError, KdkitError])
def test_a_full_disk_is_told_by_the_folder_of_the_results(trained, clips, cli, tmp_path, monkeypatch, kind):
    """Not by the temporary one in which they lie until they are whole."""
    from kdkit_toy.domain import Toy

    def full(self, path, sample, prediction, stem):
        reason = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise reason if kind is OSError else KdkitError(f"cannot write {stem}") from reason

    monkeypatch.setattr(Toy, "write", full)
    out = tmp_path / "out"
    result = cli("predict", trained, clips, "--out", out)
    assert result.code == 1 and f"cannot write the results of a in {out}: No space left" in result.err
    assert "what was predicted so far is kept" in result.err and ".unfinished" not in result.err


def test_a_file_that_disappears_in_between_is_named(trained, clips, cli, tmp_path, monkeypatch):
    from kdkit_toy.domain import Toy

    real = Toy.read

    def vanishing(self, path):
        if path.stem == "a":
            (clips / "b.npy").unlink()
        return real(self, path)

    monkeypatch.setattr(Toy, "read", vanishing)
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0 and "1 file skipped" in result.out and "b.npy (" in result.err
    assert "No such file" in {Path(row["file"]).stem: row["problem"] for row in rows(tmp_path / "out")}["b"]


@pytest.mark.parametrize("loss", ["gone", "a link to nothing", "a folder"])
@pytest.mark.parametrize("place", ["read", "write", "preview"])
def test_a_file_that_the_system_does_not_let_be_read_is_told_so_wherever_that_is_noticed(
    trained, clips, cli, tmp_path, monkeypatch, place, loss
):
    """Not as a fault of the domain that tried, nor of the folder of the results."""
    from kdkit_toy.domain import Toy

    real = getattr(Toy, place)

    def losing(self, first, *rest):
        if "b" in (getattr(first, "stem", ""), getattr(first, "info", {}).get("name")):
            (clips / "b.npy").unlink()
            if loss == "a link to nothing":
                (clips / "b.npy").symlink_to(tmp_path / "nothing.npy")
            if loss == "a folder":
                (clips / "b.npy").mkdir()
            (clips / "b.npy").open("rb")
        return real(self, first, *rest)

    monkeypatch.setattr(Toy, place, losing)
    out = tmp_path / "out"
    result = cli("predict", trained, clips, "--out", out)
    assert result.code == 0, result.err
    reason = "Is a directory" if loss == "a folder" else "No such file or directory"
    problems = {Path(row["file"]).stem: row["problem"] for row in rows(out)}
    assert problems == {"a": "", "b": f"it cannot be read: {reason}", "c": ""}
    assert not list(out.glob("b.*")) and not list(out.glob(".unfinished*"))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space, or choose another folder"),
        (errno.EROFS, "  Choose another folder"),
        (errno.EACCES, "Allow writing there, or choose another folder"),
    ],
)
def test_the_remedy_fits_why_results_cannot_be_written(trained, clips, cli, tmp_path, monkeypatch, number, remedy):
    from kdkit_toy.domain import Toy

    def refused(self, path, sample, prediction, stem):
        raise OSError(number, os.strerror(number), str(stem))

    monkeypatch.setattr(Toy, "write", refused)
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 1 and os.strerror(number) in result.err and remedy in result.err
    assert ("Free some space" in result.err) == (number == errno.ENOSPC)


def test_results_in_a_read_only_file_system_are_refused_with_what_helps(trained, clips, cli, mounted):
    disk = mounted("size=1m")
    (disk / "out").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    result = cli("predict", trained, clips, "--out", disk / "out")
    assert result.code == 1 and "Read-only file system" in result.err
    assert "Choose another place with --out" in result.err and "space" not in result.err


def test_a_full_disk_ends_the_command_and_loses_nothing(trained, clips, cli, tmp_path, monkeypatch, predictions):
    from kdkit_toy.domain import Toy

    out, real = tmp_path / "out", Toy.write

    def full(self, path, sample, prediction, stem):
        row = real(self, path, sample, prediction, stem)
        if path.stem == "b":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(stem))
        return row

    monkeypatch.setattr(Toy, "write", full)
    result = cli("predict", trained, clips, "--out", out)
    assert result.code == 1 and "cannot write the results of b" in result.err and "No space left" in result.err
    assert "Traceback" not in result.err and [Path(row["file"]).stem for row in rows(out)] == ["a"]
    assert {path.name for path in out.iterdir()} == {"a.npz", "index.html", "summary.csv", ".predictions.jsonl"}
    monkeypatch.setattr(Toy, "write", real)
    assert "1 file predicted before" in cli("predict", trained, clips, "--out", out).out
    assert predictions == ["a", "b", "b", "c"]


def test_what_a_killed_command_had_begun_to_write_is_removed(trained, clips, cli, tmp_path):
    out = tmp_path / "out"
    own = f".unfinished-{tag()}"
    dead = own.replace(f"-{os.getpid()}-", "-999999999-")
    for folder in (own, dead):
        (out / folder).mkdir(parents=True)
        (out / folder / "x.npz").write_bytes(b"half")
    (tmp_path / "nothing.npy").touch()
    assert dead != own and cli("predict", trained, "nothing.npy", "--out", out).code == 1
    assert [path.name for path in out.glob(".unfinished-*")] == [own]


def test_the_page_is_there_after_an_interruption_and_names_what_was_not_read(
    trained, clips, cli, tmp_path, monkeypatch
):
    from kdkit_toy.domain import Toy

    (clips / "aa<b>.npy").write_text("no array")
    out, real = tmp_path / "out", Toy.write

    def interrupted(self, path, sample, prediction, stem):
        if path.stem == "b":
            raise KeyboardInterrupt
        return real(self, path, sample, prediction, stem)

    monkeypatch.setattr(Toy, "write", interrupted)
    assert cli("predict", trained, clips, "--out", out).code == 130
    page = (out / "index.html").read_text()
    assert (
        '"name":"a.npy"' in page and "aa\\u003cb\\u003e.npy" in page and "b.npy" not in page.replace("u003e.npy", "")
    )
    monkeypatch.setattr(Toy, "write", real)
    result = cli("predict", trained, clips, "--out", out)
    assert result.code == 0 and "index.html" in result.out
    assert all(f'"name":"{name}.npy"' in (out / "index.html").read_text() for name in "abc")


def test_of_many_files_the_terminal_tells_the_numbers(trained, clips, cli, tmp_path):
    for number in range(40):
        (clips / f"x{number}.npy").write_text(f"no array {number}")
    result = cli("predict", trained, clips, "--out", tmp_path / "out")
    assert result.code == 0 and result.err.count("skipped:") == 31 and "10 more" in result.err


@pytest.mark.parametrize("value", ["some", "0", "0,0"])
def test_devices_that_cannot_be_are_refused_in_plain_words(cli, trained, tmp_path, value):
    np.save(tmp_path / "a.npy", np.zeros((2, 12, 12), np.uint8))
    finished = cli("predict", trained, tmp_path / "a.npy", "--out", tmp_path / "out", "--devices", value)
    assert finished.code == 2
    assert "devices cannot be used: expected auto, -1 for all" in finished.err
