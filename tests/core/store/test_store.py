"""The store: what is written is read back, what is damaged counts as missing, and a failing disk leaves no halves."""

import threading

import numpy as np
import pytest
import torch

from kdkit.atomic import write_bytes, write_json
from kdkit.errors import DataError, StoreError
from kdkit.sample import Sample
from kdkit.store.samples import to_record as sample_record
from kdkit.store.samples import to_sample
from kdkit.store.shards import Record, ShardStore, shard_length, split
from kdkit.store.targets import (
    WEIGHT,
    decode_prediction,
    decode_targets,
    decode_weight,
    encode_logits,
    encode_prediction,
    encode_weight,
    read_prediction,
    to_record,
)


def records(start, stop, length=4):
    return [Record({"inputs": np.full((length, 2), i, np.uint8)}, {"name": f"s{i}"}) for i in range(start, stop)]


@pytest.fixture
def store(tmp_path):
    store = ShardStore(tmp_path / "store")
    store.write(0, records(0, 4))
    store.write(4, records(4, 6))
    store.write(10, records(10, 12))
    return store


def test_missing_ranges_are_those_that_no_shard_holds(store):
    assert store.ranges() == [(0, 4), (4, 6), (10, 12)]
    assert store.missing_ranges(0, 15) == [(6, 10), (12, 15)]
    assert store.missing_ranges(2, 11) == [(6, 10)]
    assert store.missing_ranges(7, 9) == [(7, 9)]
    assert store.missing_ranges(1, 5) == []
    assert store.missing_ranges(9, 11) == [(9, 10)]  # a gap of one
    assert store.holds(10, 12) and not store.holds(5, 7)
    assert ShardStore(store.folder / "nowhere").missing_ranges(0, 3) == [(0, 3)]


def test_a_record_that_is_not_there_is_named(store):
    with pytest.raises(StoreError, match="holds no record 7"):
        store.read(7, "inputs")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a"]), "inputs is an array of <U1"),
        (np.array([None]), "inputs is an array of object"),
        (np.zeros(2, np.complex128), "inputs is an array of complex128.*Convert it to one of .*float32"),
        ([[1, 2], [3]], "inputs is a list, which makes no array"),
        ({"a": 1}, "inputs is an array of object"),
    ],
)
def test_what_no_shard_can_hold_is_refused_by_name(tmp_path, array, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        ShardStore(tmp_path).write(0, [Record({"inputs": array})])
    assert not list(tmp_path.iterdir())


def test_info_that_is_not_plain_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"info .* cannot be kept: .*not JSON serializable"):
        ShardStore(tmp_path).write(0, [Record({"x": np.zeros(2)}, {"age": np.int64(3)})])


@pytest.mark.parametrize("array", [np.float32(3), np.arange(3, dtype=">f4"), np.zeros((0, 3)), [[1, 2], [3, 4]]])
def test_scalars_lists_and_any_byte_order_are_kept_as_arrays(tmp_path, array):
    store = ShardStore(tmp_path)
    store.write(0, [Record({"x": array})])
    np.testing.assert_array_equal(store.read(0, "x"), array)


def test_a_window_is_that_part_of_the_array(tmp_path):
    store = ShardStore(tmp_path)
    array = np.arange(60, dtype=np.float32).reshape(10, 3, 2)
    store.write(3, [Record({"x": array}), Record({"x": -array})])
    np.testing.assert_array_equal(store.read(4, "x", (slice(2, 7), slice(None), slice(1))), -array[2:7, :, :1])
    np.testing.assert_array_equal(store.read(3, "x"), array)
    assert store.shape(3, "x") == (10, 3, 2)


def test_samples_come_back_as_they_were_with_truth_and_info(tmp_path):
    store = ShardStore(tmp_path)
    sample = Sample(
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        truth={"ef": np.array(61.5), "mask": np.zeros((3, 4), bool), "none": np.zeros((0, 2), np.int64)},
        info={"name": "clip é", "fps": 29.97, "spacing": None, "nested": {"a": [1, 2]}},
    )
    store.write(0, [sample_record(sample), sample_record(Sample(np.zeros((2, 2), np.float16)))])
    back = to_sample(store.record(0))
    np.testing.assert_array_equal(back.inputs, sample.inputs)
    assert back.truth["ef"].shape == () and float(back.truth["ef"]) == 61.5
    assert {k: (v.dtype, v.shape) for k, v in back.truth.items()} == {
        k: (v.dtype, v.shape) for k, v in sample.truth.items()
    }
    assert back.info == sample.info
    assert not to_sample(store.record(1)).truth


def test_an_array_that_is_a_view_is_stored_as_it_looks(tmp_path):
    store = ShardStore(tmp_path)
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    store.write(0, [Record({"x": array.T[::2], "y": array[:, ::-1]})])
    np.testing.assert_array_equal(store.read(0, "x"), array.T[::2])
    np.testing.assert_array_equal(store.read(0, "y"), array[:, ::-1])


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"garbage", lambda b: b[:-3], lambda b: b + b"\0"])
def test_a_damaged_shard_counts_as_missing_and_can_be_made_again(store, damage):
    (path,) = store.folder.glob("00000004-00000006-*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    again = ShardStore(store.folder)
    assert again.missing_ranges(0, 6) == [(4, 6)]
    again.write(4, records(4, 6))
    assert again.record(5).info == {"name": "s5"}


def test_wherever_a_byte_is_off_a_shard_counts_as_missing(store):
    (path,) = store.folder.glob("00000004-00000006-*.safetensors")
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        store.refresh()
        assert store.missing_ranges(0, 6) == [(4, 6)]
    path.write_bytes(whole)
    store.refresh()
    assert store.holds(0, 6)


def test_a_shard_of_other_content_takes_the_place_of_one_of_the_same_records(store):
    store.write(4, records(5, 7))
    assert store.record(4).info == {"name": "s5"}
    assert len(list(store.folder.iterdir())) == 3


def test_a_shard_that_vanishes_while_it_is_read_is_one_clear_error(store):
    assert store.holds(0, 6)
    for path in store.folder.iterdir():
        path.unlink()
    with pytest.raises(StoreError, match=r"(?s)00000004-.*gone or damaged.*Run the command again"):
        store.read(4, "inputs")


def test_files_that_are_no_shards_are_left_alone(store):
    (store.folder / "notes.safetensors").write_bytes(b"mine")
    (store.folder / ".00000006-00000008.safetensors.123.partial").write_bytes(b"half")
    assert ShardStore(store.folder).missing_ranges(0, 12) == [(6, 10)]


def test_shards_are_cut_by_size():
    small, large = Record({"x": np.zeros(10, np.uint8)}), Record({"x": np.zeros(3_000_000, np.uint8)})
    assert (shard_length(small), shard_length(large)) == (1024, 2)
    assert split([(0, 5), (9, 10)], 2) == [(0, 2), (2, 4), (4, 5), (9, 10)]


def test_probabilities_are_rounded_not_floored():
    logits = torch.linspace(-8, 8, 10_001)
    kept = encode_logits(logits, "sigmoid")
    assert kept.dtype == np.uint8
    error = decode_targets(kept, "sigmoid") - torch.sigmoid(logits).numpy()
    assert np.abs(error).max() <= 1 / 510 + 1e-6
    assert abs(error.mean()) < 1e-4


def test_class_logits_are_kept_so_that_any_temperature_can_follow():
    logits = torch.randn(7, 10) * 5
    kept = encode_logits(logits, "softmax")
    np.testing.assert_allclose(decode_targets(kept, "softmax"), logits.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(decode_prediction(kept, "softmax"), torch.softmax(logits, -1).numpy(), atol=2e-3)
    huge = decode_prediction(np.array([[60000.0, -60000.0]], np.float16), "softmax")
    np.testing.assert_array_equal(huge, [[1.0, 0.0]])


@pytest.mark.parametrize("largest", [65504.0, 65505.0, 1e6, 3e38])
def test_class_logits_beyond_half_precision_are_kept_in_single(largest):
    logits = torch.tensor([[largest, -largest, 1.0]], dtype=torch.float64)
    kept = encode_logits(logits, "softmax")
    assert kept.dtype == (np.float16 if largest <= 65504 else np.float32)
    np.testing.assert_allclose(decode_targets(kept, "softmax")[0, :2], [largest, -largest], rtol=1e-6)
    np.testing.assert_array_equal(decode_prediction(kept, "softmax"), [[1, 0, 0]])


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "identity"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_logits_that_are_not_finite_are_refused(value, activation):
    with pytest.raises(DataError, match="not finite in single precision"):
        encode_logits(torch.tensor([0.0, value], dtype=torch.float64), activation)


def test_a_prediction_is_kept_as_the_logits_behind_it_are():
    mask = np.array([[0.0, 1.0], [0.25, 1.0]], np.float32)
    assert encode_prediction(mask, "sigmoid").tolist() == [[0, 255], [64, 255]]
    one_hot = np.eye(10, dtype=np.float32)[[3, 7]]
    kept = encode_prediction(one_hot, "softmax")
    assert kept.dtype == np.float16
    np.testing.assert_allclose(decode_prediction(kept, "softmax"), one_hot, atol=1.1e-3)
    values = np.array([-3.5, 1e6], np.float32)
    np.testing.assert_array_equal(decode_prediction(encode_prediction(values, "identity"), "identity"), values)


@pytest.mark.parametrize(
    ("prediction", "activation", "message"),
    [
        ([0.0, 255.0], "sigmoid", "no probability"),
        ([-0.1, 1.0], "sigmoid", "no probability"),
        ([0.5, 0.9], "softmax", "do not sum to 1"),
        ([0.0, 0.0], "softmax", "do not sum to 1"),
        ([0.0, np.nan], "sigmoid", "not finite"),
        ([np.inf], "identity", "not finite"),
    ],
)
def test_a_prediction_that_no_logits_give_is_refused(prediction, activation, message):
    with pytest.raises(DataError, match=message):
        encode_prediction(np.array(prediction), activation)


def test_values_are_kept_exactly(tmp_path):
    values = torch.randn(3, 4)
    store = ShardStore(tmp_path)
    store.write(0, [to_record(encode_logits(values, "identity"))])
    np.testing.assert_array_equal(read_prediction(store, 0, "identity"), values.numpy())


def test_weights_lie_beside_their_answers_in_8_bits(tmp_path):
    logits, weight = torch.zeros(2, 3), torch.tensor([[0.0, 0.5, 1.0], [0.25, 0.75, 1.0]])
    target = encode_logits(logits, "sigmoid")
    store = ShardStore(tmp_path)
    store.write(0, [to_record(target, encode_weight(weight, target, "sigmoid")), to_record(target)])
    assert (store.has(0, WEIGHT), store.has(1, WEIGHT)) == (True, False)
    assert store.read(0, WEIGHT).dtype == np.uint8
    np.testing.assert_allclose(decode_weight(store.read(0, WEIGHT)), weight.numpy(), atol=1 / 510 + 1e-6)


def test_weights_that_do_not_fit_are_refused():
    masks, classes = encode_logits(torch.zeros(4, 5), "sigmoid"), encode_logits(torch.zeros(10), "softmax")
    assert encode_weight(torch.ones(1), classes, "softmax").tolist() == [255]
    for weight, target, activation in (
        (torch.ones(4), masks, "sigmoid"),
        (torch.ones(10), classes, "softmax"),
        (torch.full((4, 5), 1.2), masks, "sigmoid"),
        (torch.full((4, 5), float("nan")), masks, "sigmoid"),
    ):
        with pytest.raises(DataError, match="the teacher"):
            encode_weight(weight, target, activation)


def test_a_full_disk_gives_one_clear_error_and_leaves_nothing_half_written(mounted):
    disk = mounted("size=1m")
    store = ShardStore(disk / "samples")
    store.write(0, records(0, 2))
    large = [Record({"inputs": np.random.default_rng(0).integers(0, 255, 3_000_000).astype(np.uint8)})]
    with pytest.raises(StoreError, match=r"(?s)cannot write .*00000002-00000003.*No space left.*--out or KDKIT_HOME"):
        store.write(2, large)
    assert [p.name[:17] for p in (disk / "samples").iterdir()] == ["00000000-00000002"]
    assert store.missing_ranges(0, 3) == [(2, 3)]


def test_a_full_disk_leaves_the_former_file_whole(mounted):
    disk = mounted("size=1m")
    write_json(disk / "scores.json", {"a": 1})
    with pytest.raises(StoreError):
        write_bytes(disk / "scores.json", bytes(3_000_000))
    assert (disk / "scores.json").read_text() == '{\n  "a": 1\n}\n'
    assert len(list(disk.iterdir())) == 1


def test_a_read_only_disk_gives_one_clear_error(mounted):
    disk = mounted("size=1m,ro")
    with pytest.raises(StoreError, match=r"cannot write .*Read-only"):
        ShardStore(disk / "samples").write(0, records(0, 1))


def test_a_file_in_the_folders_place_gives_one_clear_error(tmp_path):
    (tmp_path / "store").write_text("mine")
    with pytest.raises(StoreError, match=r"cannot write .*store"):
        ShardStore(tmp_path / "store").write(0, records(0, 1))
    with pytest.raises(StoreError, match=r"cannot write .*store"):
        write_bytes(tmp_path / "store" / "deeper" / "file", b"x")
    assert (tmp_path / "store").read_text() == "mine"


def test_a_run_on_a_full_disk_says_so_in_one_message(mounted, toy, cli, monkeypatch):
    monkeypatch.setenv("KDKIT_HOME", str(mounted("size=1m")))
    result = cli("run", "toy", "--set", "generator.size=256")
    assert result.code == 1
    assert result.err.count("error:") == 1 and "No space left" in result.err
    assert "Traceback" not in result.err + result.out


def test_a_run_whose_folder_cannot_be_made_says_so_in_one_message(toy, cli, tmp_path):
    (tmp_path / "taken").write_text("a file")
    result = cli("run", "toy", "--out", tmp_path / "taken" / "run")
    assert result.code == 2
    assert "taken is a file" in result.err and "Traceback" not in result.err


def test_readers_never_see_half_a_file(tmp_path):
    path, small, large = tmp_path / "f", b"a" * 1000, b"b" * 5_000_000
    write_bytes(path, small)
    seen = set()

    def write():
        for _ in range(20):
            write_bytes(path, large)
            write_bytes(path, small)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen.add(path.read_bytes())
    assert seen <= {small, large}
