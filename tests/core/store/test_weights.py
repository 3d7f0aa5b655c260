"""Weights as people have them: prefixes, containers, wrong names, and files that are no weights at all."""

import argparse
import collections
import datetime
import logging
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdkit.errors import WeightsError
from kdkit.store.weights import load_weights, read_state


def network():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2))


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return {key: torch.rand(value.shape) for key, value in network().state_dict().items()}


def under(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def zeros(state):
    return {key: torch.zeros_like(value) for key, value in state.items()}


def assert_loads(path, state):
    loaded = network()
    load_weights(loaded, path)
    weights = {k: v for k, v in loaded.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert all(torch.equal(value, state[key]) for key, value in weights.items())


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.", "student."),
        *("ema_model.", "model._orig_mod.", "model.module.", "a.b.c."),
    ],
)
@pytest.mark.parametrize("container", ["", "state_dict", "model_state_dict", "model", "ema", "network"])
def test_prefixes_in_containers_are_found(prefix, container, state, tmp_path, caplog):
    content = under(prefix, state)
    optimiser = {"state": {0: {"exp_avg": torch.zeros(2, 2)}}, "param_groups": [{"params": [0]}]}
    path = tmp_path / "weights.pth"
    torch.save({container: content, "optimizer": optimiser, "epoch": 3} if container else content, path)
    with caplog.at_level(logging.WARNING):
        assert_loads(path, state)
    usual = prefix in ("", "module.") and container in ("", "state_dict")
    assert bool(caplog.records) != usual


def test_what_belongs_to_other_parts_is_left_with_a_word(state, tmp_path, caplog):
    content = under("model.", state) | under("ema_model.", zeros(state)) | {"criterion.weight": torch.ones(3)}
    torch.save({"state_dict": content}, tmp_path / "last.ckpt")
    with caplog.at_level(logging.WARNING):
        assert_loads(tmp_path / "last.ckpt", state)
    assert "stripped 'model.'" in caplog.text
    assert "weights that would fit, too, lie under state_dict.ema_model." in caplog.text


def test_averaged_weights_come_last(state, tmp_path):
    torch.save({"ema": {"shadow": zeros(state)}, "model": under("module.", state)}, tmp_path / "w.pt")
    assert_loads(tmp_path / "w.pt", state)
    torch.save(under("module.", state) | {"n_averaged": torch.tensor(3)}, tmp_path / "swa.pt")
    assert_loads(tmp_path / "swa.pt", state)


def test_wrappers_inside_of_keys_are_passed_over(state, tmp_path):
    renamed = {key.replace("0.", "0._orig_mod.", 1).replace("1.", "1.module.", 1): v for key, v in state.items()}
    torch.save(renamed, tmp_path / "w.pt")
    assert_loads(tmp_path / "w.pt", state)


def test_weights_of_what_a_network_wraps_are_taken(tmp_path):
    inner = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    outer = torch.nn.ModuleDict({"model": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))})
    torch.save(inner.state_dict(), tmp_path / "w.pt")
    load_weights(outer, tmp_path / "w.pt")
    assert torch.equal(outer["model"][1].weight, inner[1].weight)


@pytest.mark.parametrize("fault", ["missing", "shape", "type", "unexpected"])
def test_another_architecture_is_one_behind_any_prefix(fault, state, tmp_path):
    content = dict(state)
    if fault == "missing":
        del content["2.bias"]
    elif fault == "shape":
        content["2.bias"] = torch.zeros(5)
    elif fault == "type":
        content["2.bias"] = torch.zeros(2, dtype=torch.int8)
    else:
        content["3.weight"] = torch.zeros(1)
    torch.save({"model": under("net.", content)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="another architecture") as caught:
        load_weights(network(), tmp_path / "w.pt")
    named = "3.weight" if fault == "unexpected" else "2.bias"
    assert named in caught.value.remedy
    assert "0.weight" not in caught.value.remedy


def test_arrays_of_numpy_are_weights(state, tmp_path):
    torch.save({key: value.numpy() for key, value in state.items()}, tmp_path / "w.pt")
    assert_loads(tmp_path / "w.pt", state)


def test_safetensors_are_read_whatever_they_are_named(state, tmp_path, caplog):
    save_file(state, tmp_path / "w.pt")
    with caplog.at_level(logging.WARNING):
        assert_loads(tmp_path / "w.pt", state)
    assert "a safetensors file, though it is named .pt" in caplog.text
    torch.save(state, tmp_path / "w.safetensors")
    assert_loads(tmp_path / "w.safetensors", state)


@pytest.mark.parametrize("first", [b"\x80\x02", b"{\x00", b"{\n", b"PK", b"\x1f\x8b", b"<h"])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_the_length_of_a_safetensors_header_is_no_sign_of_another_format(first, name, state, tmp_path):
    save_file(state, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    padded = int.from_bytes(first, "little") + (0 if int.from_bytes(first, "little") >= length else 1 << 16)
    header = whole[8 : 8 + length].ljust(padded)
    (tmp_path / name).write_bytes(padded.to_bytes(8, "little") + header + whole[8 + length :])
    assert_loads(tmp_path / name, state)


def test_harmless_things_beside_weights_are_read(state, tmp_path):
    beside = {
        "scalar": np.float64(0.5),
        "flag": np.bool_(True),
        "array": np.arange(3),
        "objects": np.array([1, "a"], object),
        "dtype": np.dtype("int16"),
        "args": argparse.Namespace(lr=1, out=pathlib.Path("runs")),
        "windows": pathlib.PureWindowsPath("C:/x"),
        "counts": collections.defaultdict(list, {1: [2]}),
        "queue": collections.deque([1, 2], maxlen=3),
        "counter": collections.Counter("aab"),
        "when": datetime.datetime(2020, 1, 1),
    }
    for zipped in (True, False):
        torch.save({"model": state, **beside}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
        assert_loads(tmp_path / "w.pt", state)


class Config:
    """What a training script of a user's might keep beside weights."""


class Touch:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return pathlib.Path.touch, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_could_execute_code_is_named_and_not_executed(zipped, state, tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"model": state, "config": Config()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"it holds [\w.]*test_weights\.Config, and reading that could execute"):
        load_weights(network(), path)
    torch.save(network(), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"it holds torch\.nn\.modules\.container\.Sequential"):
        load_weights(network(), path)
    torch.save({"model": state, "x": Touch(tmp_path / "burst")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="could execute code"):
        load_weights(network(), path)
    assert not (tmp_path / "burst").exists()


@pytest.mark.parametrize("make", [eval, exec, open, __import__, getattr])
def test_no_function_of_python_is_called(make, tmp_path):
    class Bomb:
        def __reduce__(self):
            return make, (str(tmp_path / "burst"), "w")

    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": Bomb()}, protocol=2))
    with pytest.raises(WeightsError, match=f"holds {make.__name__}|could execute"):
        read_state(tmp_path / "w.pt")
    assert not (tmp_path / "burst").exists()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "is a Git LFS pointer"),
        (b"\n <!DOCTYPE html><html><body>Sign in</body>", "is a web page"),
        (b"<html lang='en'>", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "is a web page"),
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file"),
        (b"\x1f\x8b\x08" + bytes(99), "is a gzip archive"),
        (b'{"message": "Not Found"}', "is a JSON text"),
        (b"PK\x03\x04" + bytes(99), "its end is missing"),
        (bytes(999), r"w\.pt"),
        (b"plain text\n" * 9, r"w\.pt"),
    ],
)
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_what_is_no_weights_file_is_called_what_it_is(content, message, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message.replace("w\\.pt", name)) as caught:
        load_weights(network(), tmp_path / name)
    assert name in caught.value.message
    assert "\n" not in caught.value.message


def test_folders_and_missing_files_are_told(tmp_path):
    with pytest.raises(WeightsError, match="is a folder"):
        load_weights(network(), tmp_path)
    with pytest.raises(WeightsError, match="does not exist"):
        load_weights(network(), tmp_path / "nowhere.pt")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_files_that_are_cut_off_are_told(kept, name, state, tmp_path):
    path = tmp_path / name
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(WeightsError, match="is not a whole"):
        load_weights(network(), path)


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_programs_and_other_archives_are_called_what_they_are(tmp_path):
    path, layer = tmp_path / "w.pth", torch.nn.Linear(2, 2).eval()
    torch.jit.trace(layer, torch.rand(1, 2)).save(path)
    with pytest.raises(WeightsError, match="is a TorchScript program"):
        load_weights(network(), path)
    torch.export.save(torch.export.export(layer, (torch.rand(1, 2),)), tmp_path / "w.pt2")
    (tmp_path / "w.pt2").rename(path)
    with pytest.raises(WeightsError, match="is an exported program"):
        load_weights(network(), path)
    np.savez(tmp_path / "w.npz", a=np.zeros(3))
    with pytest.raises(WeightsError, match=r"zip archive that torch\.save has not written"):
        load_weights(network(), tmp_path / "w.npz")
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(WeightsError, match="holds nothing"):
        load_weights(network(), path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1}, {}, torch.zeros(3)])
def test_what_holds_no_state_dict_is_told(content, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds no state dict"):
        load_weights(network(), tmp_path / "w.pt")


def test_an_archive_that_unpacks_to_more_than_a_file_may_is_refused_unread(tmp_path, monkeypatch):
    torch.save({"weight": torch.zeros(3_000_000)}, tmp_path / "whole.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt") as whole, zipfile.ZipFile(tmp_path / "w.pt", "w", 8) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "10MB")
    assert (tmp_path / "w.pt").stat().st_size < 100_000
    with pytest.raises(WeightsError, match="becomes 12 MB in memory; one file may take 10 MB"):
        load_weights(network(), tmp_path / "w.pt")


def test_a_file_that_lies_on_the_disk_as_large_as_it_is_may_be_read(state, tmp_path, monkeypatch):
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "1KB")
    torch.save(state, tmp_path / "w.pt")
    assert_loads(tmp_path / "w.pt", state)


def test_a_mapping_that_is_named_a_billion_times_takes_no_eternity(tmp_path):
    content = {f"k{number}": 1 for number in range(1000)}
    for _ in range(2):
        content = dict.fromkeys((f"k{number}" for number in range(1000)), content)
    torch.save(content, tmp_path / "w.pt")
    assert (tmp_path / "w.pt").stat().st_size < 100_000
    with pytest.raises(WeightsError, match=r"w\.pt holds more than 1,000,000 values"):
        load_weights(network(), tmp_path / "w.pt")


@pytest.mark.parametrize("kind", ["sparse", "meta", "nested", "quantised", "complex", "expanded"])
def test_tensors_of_kinds_that_no_network_holds_are_refused_by_name(state, tmp_path, kind):
    made = {
        "sparse": lambda: torch.eye(2).to_sparse(),
        "meta": lambda: torch.zeros(2, 2, device="meta"),
        "nested": lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(1)]),
        "quantised": lambda: torch.quantize_per_tensor(torch.zeros(2, 2), 1.0, 0, torch.qint8),
        "complex": lambda: torch.zeros(2, 2, dtype=torch.complex64),
        "expanded": lambda: torch.zeros(1).expand(10**6, 10**6),
    }
    torch.save(state | {"2.weight": made[kind]()}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt holds the weights of another architecture") as refusal:
        load_weights(network(), tmp_path / "w.pt")
    assert "2.weight" in refusal.value.remedy
