"""Draws that a generator throws away are counted over processes and runs, and told in manifest and report."""

import numpy as np

from kdkit import Sample
from kdkit.stages import generate
from kdkit.stages.pipeline import run_stages
from kdkit.store.shards import Record, ShardStore


def made_picky(generator, monkeypatch):
    """It throws away as many draws as the index says, modulo 3."""
    honest = generator.generate

    def picky(indices):
        for index in indices:
            (sample,) = honest([index])
            yield Sample(sample.inputs, sample.truth, {**sample.info, "rejected": index % 3})

    monkeypatch.setattr(generator, "generate", picky)


def test_infos_are_read_in_order_up_to_an_end(tmp_path):
    store = ShardStore(tmp_path)
    for start in (3, 0):
        store.write(start, [Record({"inputs": np.zeros(2)}, {"n": start + i}) for i in range(3)])
    assert [info["n"] for info in store.infos(5)] == [0, 1, 2, 3, 4]
    assert [info["n"] for info in store.infos(2)] == [0, 1]


def test_draws_thrown_away_are_told(prepare, monkeypatch):
    monkeypatch.setattr(generate, "shard_length", lambda record: 5)
    run = prepare("training.epochs=1")
    made_picky(run.experiment.generator, monkeypatch)
    run_stages(run)
    # 34 samples: 0, 1, 2 in turn.
    counts = {"discs": {"rejected": 33, "kept": 34}}
    assert run.folder.manifest()["rejected"] == counts
    assert "discs: 33 draws thrown away for 34 samples kept" in run.folder.report_file.read_text()
    # Another run that finds the samples in the store knows it, too.
    again = prepare("training.epochs=2")
    assert "generate" not in run_stages(again)
    assert again.folder.manifest()["rejected"] == counts


def test_nothing_is_told_of_a_generator_that_throws_nothing_away(prepare):
    run = prepare("training.epochs=1")
    run_stages(run)
    assert run.folder.manifest()["rejected"] == {}
    assert "thrown away" not in run.folder.report_file.read_text()
