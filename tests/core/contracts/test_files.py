"""A domain that reads files needs nothing more to be measured on a folder of them."""

import numpy as np
import pytest

from kdkit import DataError, Domain, KdkitError, Sample


class Arrays(Domain):
    """Arrays in files."""

    input_suffixes = (".npy",)

    def read(self, path):
        try:
            return Sample(np.load(path), info={"name": path.stem})
        except ValueError as error:
            raise DataError(f"{path} is damaged") from error


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    for number, name in enumerate(["b.npy", "a.NPY", "inner/c.npy"]):
        with (tmp_path / name).open("wb") as file:
            np.save(file, np.full(3, number))
    (tmp_path / "notes.txt").write_text("no sample")
    return tmp_path


def test_every_file_that_the_domain_recognises_is_a_sample(folder):
    source = Arrays().source(folder, "auto", None)
    assert source.count() == 3 and not source.synthetic
    assert [s.info["name"] for s in source.generate([2, 0, 1])] == ["c", "a", "b"]
    assert [s.inputs[0] for s in Arrays().source(folder / "b.npy", "auto", None).generate([0])] == [0]


def test_a_damaged_file_is_told_when_its_turn_comes(folder):
    (folder / "a.NPY").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"a\.NPY is damaged"):
        next(Arrays().source(folder, "auto", None).generate([0]))


@pytest.mark.parametrize(
    ("name", "layout", "split", "message"),
    [
        ("nowhere", "auto", None, "does not exist"),
        ("notes.txt", "auto", None, r"holds no file of \.npy"),
        ("", "camus", None, "knows no layout 'camus'"),
        ("", "auto", "TEST", "knows no split 'TEST'"),
    ],
)
def test_what_is_no_such_data_is_refused(folder, name, layout, split, message):
    with pytest.raises(KdkitError, match=message):
        Arrays().source(folder / name, layout, split)


def test_a_domain_that_reads_no_files_has_no_source(folder):
    with pytest.raises(KdkitError, match="cannot read folders of data"):
        Domain().source(folder, "auto", None)
