"""generate: recipe → samples in the store."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.alignment import WindowCut
from kdkit.contracts.generator import Generator
from kdkit.contracts.vocabulary import summarize_defects
from kdkit.errors import DataError, KdkitError
from kdkit.launch import Place
from kdkit.plugins.calls import call, name_component, title_of
from kdkit.recipe.schema import Hardware
from kdkit.runs.run import Run
from kdkit.stages import control_samples, disjoint, ranks
from kdkit.stages.sample_check import check_sample
from kdkit.store.samples import SampleSet, to_record
from kdkit.store.shards import Range, Record, ShardStore, shard_length, split
from kdkit.workers import map_in_processes, usable_cores

NAME = "generate"

# Worker processes start in about a second each; a shard or two is made sooner without them.
FEWEST_SHARDS_FOR_WORKERS = 3
# How often the same samples are tried when the process that makes them is killed.
ATTEMPTS = 3


def is_whole(run: Run) -> bool:
    """Whether every sample is there, and no recording in two splits."""
    return all(samples.is_whole() for samples in run.sample_sets()) and disjoint.is_checked(run)


def check(run: Run) -> None:
    """Raises :class:`DataError` when the training samples are shorter than the window that the recipe takes of them.

    Looks at one sample of each kind, which is drawn where none is stored.
    """
    cut = run.experiment.window_cut
    if cut is None:
        return
    for arm in run.arms:
        if arm.training is not None:
            samples = arm.training.split.samples
            _check_window(run, cut, first_inputs(run, samples).shape, _name(run, samples))


def first_inputs(run: Run, samples: SampleSet) -> np.ndarray:
    """The inputs of one sample of a set: a stored one's where there is any, else the first, which is drawn."""
    if ranges := samples.store.ranges():
        return samples.store.read(ranges[0][0], "inputs")
    name = _name(run, samples)
    _check_count(run, samples, name)
    with (
        run.progress.work(NAME, f"first of {name}", 1, "sample") as bar,
        _name_generator_in_errors(samples.generator, (0, 1)),
    ):
        (record,) = _records(samples.generator, samples.source_indices((0, 1)))
        bar.advance()
    return record.arrays["inputs"]


def execute(run: Run) -> None:
    """Make the samples that are missing, shard by shard, in as many processes as the recipe says."""
    choices = run.experiment.recipe
    if isinstance(run.experiment.generator, Adversary):
        run.progress.say(
            NAME, choices.generator.name, "is trained against the student in distill: no samples before that"
        )
    _take_device(choices.trainer, ranks.place())
    for samples in run.sample_sets():
        _make_samples(run, samples, _name(run, samples))
    if ranks.rank() == 0:
        disjoint.check(run)
        control_samples.remark_differences(run)


def _take_device(hardware: Hardware, place: Place) -> None:
    """What a source calls ``cuda`` is from here on this process's own GPU, where several share a machine."""
    if place.local_size == 1 or hardware.accelerator == "cpu":
        return
    import torch

    if torch.cuda.is_available():
        devices = hardware.devices if isinstance(hardware.devices, list) else range(torch.cuda.device_count())
        torch.cuda.set_device(devices[place.local_rank])


def count_rejected(run: Run) -> dict[str, dict[str, int]]:
    """Of each set whose generator throws draws away, by its name: how many it threw away, and how many it kept."""
    counts = {_name(run, samples): (samples.count_rejected(), samples.count) for samples in run.sample_sets()}
    return {name: {"rejected": n, "kept": count} for name, (n, count) in counts.items() if n is not None}


def _name(run: Run, samples: SampleSet) -> str:
    experiment = run.experiment
    controls = zip(experiment.recipe.controls, experiment.control_generators, strict=True)
    names: dict[object, str] = {
        **{generator: control.name for control, generator in controls},
        experiment.evaluation_generator: "evaluation",
        experiment.generator: experiment.recipe.generator.name,
    }
    return names.get(samples.generator, "")


def _make_samples(run: Run, samples: SampleSet, what: str) -> None:
    missing = samples.store.missing_ranges(0, samples.count)
    if not missing:
        return
    _check_count(run, samples, what)
    if summary := summarize_defects(call(samples.generator.exclusions)):
        run.progress.say(NAME, what, summary)
    place = ranks.place()
    missing_count = sum(stop - start for start, stop in missing)
    with run.progress.work(NAME, what, samples.count, "samples", samples.count - missing_count) as bar:
        workers = run.experiment.recipe.trainer.workers or max(1, usable_cores() // place.local_size)
        done = 0
        for count in _make_shards(samples, missing, workers, place):
            done += count * place.size  # the others are about as far
            bar.advance(min(count * place.size, max(0, count * place.size - (done - missing_count))))
        ranks.wait_until(lambda: _is_whole_after_refresh(samples), f"samples of {what}")
        bar.advance(max(0, missing_count - done))
    if (rejected := samples.count_rejected()) is not None:
        run.progress.say(NAME, what, f"{rejected} rejected for {samples.count} kept")


def _is_whole_after_refresh(samples: SampleSet) -> bool:
    samples.store.refresh()
    return samples.is_whole()


def _check_window(run: Run, cut: WindowCut, shape: tuple[int, ...], name: str) -> None:
    window, remedy = run.experiment.recipe.training.window, "Set training.window=null to train on whole samples"
    for length, axis in zip(cut.lengths, cut.axes, strict=True):
        if not axis.has_axis(shape, axis.input_axis):
            raise DataError(
                f"training.window is {window}, but the samples of {name}, {shape}, have no axis {axis.input_axis} to "
                "cut",
                f"{remedy}.",
            )
        longest = shape[axis.input_axis] // axis.inputs * axis.inputs
        if longest < length:
            raise DataError(
                f"training.window is {window}, but the samples of {name} are {shape[axis.input_axis]} long",
                f"{remedy}, or to {longest} or less." if longest else f"{remedy}.",
            )


def _check_count(run: Run, samples: SampleSet, what: str) -> None:
    call(samples.generator.prepare, run.progress)
    total = call(samples.generator.count)
    available = samples.available()
    if available is None or available >= samples.count:
        return
    lost = f" ({total} in all; no patient or other unit may lie in two splits)" if total != available else ""
    raise DataError(
        f"the recipe asks for {samples.count} samples of {what}, but it has {available}{lost}",
        "Lower samples.train, samples.validation or samples.evaluation.",
    )


def _make_shards(samples: SampleSet, missing: list[Range], workers: int, place: Place) -> Iterator[int]:
    """Make this process's share of the missing ranges; yields the number of samples in each shard as it is done."""
    # By the first sample of all, so that every process cuts alike, whenever it looks at what is missing.
    length = shard_length(_first_record(samples))
    shards = [shard for shard in split(missing, length) if shard[0] // length % place.size == place.rank]
    if workers == 1 or len(shards) < FEWEST_SHARDS_FOR_WORKERS:
        for shard in shards:
            yield make_shard(samples.generator, samples.store, shard[0], samples.source_indices(shard))
        return
    _check_sendable(samples.generator)
    calls = ((samples.generator, samples.store, shard[0], samples.source_indices(shard)) for shard in shards)
    try:
        yield from map_in_processes(make_shard, calls, min(workers, len(shards)), ATTEMPTS)
    except BrokenProcessPool as error:
        raise KdkitError(
            f"a process that made samples {error}; so did {ATTEMPTS} in turn on the same ones",
            "Set trainer.workers lower, if it lacked memory; the samples made so far are kept.",
        ) from error


def _first_record(samples: SampleSet) -> Record:
    if samples.store.holds(0, 1):
        return samples.store.record(0)
    with _name_generator_in_errors(samples.generator, (0, 1)):
        (record,) = _records(samples.generator, samples.source_indices((0, 1)))
    return record


def _check_sendable(generator: Generator) -> None:
    # Tried before a pool is made: one that fails to send a task waits for ever when it is closed.
    try:
        pickle.dumps(generator)
    except Exception as error:  # a plugin's object may refuse in any way
        raise KdkitError(
            f"the generator {type(generator).__name__} cannot be sent to another process: {error}",
            "Set trainer.workers=1.",
        ) from error


def make_shard(generator: Generator, store: ShardStore, first: int, indices: Sequence[int]) -> int:
    """Generate the samples with these indices and write them as one shard from place ``first`` on; gives how many."""
    with _name_generator_in_errors(generator, (first, first + len(indices))):
        records = _records(generator, indices)
        store.write(first, records)
    return len(records)


def _records(generator: Generator, indices: Sequence[int]) -> list[Record]:
    samples = list(generator.generate(indices))
    if len(samples) != len(indices):
        raise DataError(f"it made {len(samples)} samples instead of {len(indices)}")
    for index, sample in zip(indices, samples, strict=True):
        check_sample(index, sample)
    return [to_record(sample) for sample in samples]


@contextmanager
def _name_generator_in_errors(generator: Generator, indices: Range) -> Iterator[None]:
    """Raise whatever goes wrong in a generator as one error that names it."""
    failure = f"failed on samples {indices[0]} to {indices[1] - 1}"
    try:
        with name_component(generator, failure, "the samples made so far are kept."):
            yield
    except DataError as error:
        raise DataError(f"{title_of(generator)} {failure}: {error.message}", error.remedy) from error
