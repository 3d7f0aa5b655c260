"""Intervals are drawn over patients where it is known whose a clip is: ten clips of one tell less than ten people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kdkit_echocardio.metrics.ejection import DiscsBias
from kdkit_echocardio.metrics.overlap import Dice

from kdkit import Metric, Sample
from kdkit.store.samples import to_record, to_sample
from kdkit.store.shards import ShardStore


@pytest.mark.parametrize("metric", [Dice, DiscsBias])
def test_the_clips_of_a_patient_are_drawn_together(metric: type[Metric], tmp_path: Path) -> None:
    """After a way through the store, as in a run: the interval is that of drawing patients, by hand."""
    examples = metric().example_cases()
    owners = ["one", "one", "one", "two"]
    store = ShardStore(tmp_path / "samples")
    store.write(0, [to_record(_owned(sample, who)) for (_, sample), who in zip(examples, owners, strict=True)])
    store.refresh()
    gathered, cases = metric(), {}
    for number, (prediction, _) in enumerate(examples):
        found = gathered.update(prediction, to_sample(store.record(number)))
        assert found is not None
        cases[number] = found
    score = gathered.compute()
    # Two patients are too few for an interval, where four clips by themselves would be, too.
    assert (score.units, score.ci_low, score.ci_high) == (2, None, None)
    assert score.value == pytest.approx(metric().summarize(np.concatenate(list(cases.values()))))
    assert score.n == 4


def _owned(sample: Sample, patient: str) -> Sample:
    return Sample(sample.inputs, sample.truth, {**sample.info, "unit": patient})
