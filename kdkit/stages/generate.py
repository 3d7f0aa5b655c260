"""generate: recipe → samples in the store."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from kdkit.contracts.generator import Generator
from kdkit.errors import DataError, KdkitError
from kdkit.run import Run
from kdkit.store.samples import SampleSet, to_record
from kdkit.store.shards import Range, ShardStore, shard_length, split

NAME = "generate"

# Worker processes start in about a second each; a shard or two is made sooner without them.
FEWEST_SHARDS_FOR_WORKERS = 3


def is_whole(run: Run) -> bool:
    """Whether every sample is there."""
    return all(samples.is_whole() for samples in run.sample_sets())


def execute(run: Run) -> None:
    """Make the samples that are missing, shard by shard, in as many processes as the recipe says."""
    choices = run.experiment.recipe
    for samples in run.sample_sets():
        name = {
            run.experiment.generator: choices.generator.name,
            run.experiment.evaluation_generator: "evaluation",
            run.experiment.control_generator: "control",
        }.get(samples.generator, "")
        _make(run, samples, name)


def _make(run: Run, samples: SampleSet, what: str) -> None:
    missing = samples.store.missing(0, samples.count)
    if not missing:
        return
    _check_count(samples, what)
    todo = sum(stop - start for start, stop in missing)
    with run.progress.work(NAME, what, samples.count, "samples", samples.count - todo) as bar:
        for made in _shards_made(samples, missing, run.experiment.recipe.trainer.workers or os.cpu_count() or 1):
            bar.advance(made)
    samples.store.refresh()


def _check_count(samples: SampleSet, what: str) -> None:
    available = samples.generator.count()
    if available is not None and available < samples.count:
        raise DataError(
            f"the recipe asks for {samples.count} samples of {what}, but it has {available}",
            "Lower samples.train, samples.validation or samples.evaluation.",
        )


def _shards_made(samples: SampleSet, missing: list[Range], workers: int) -> Iterator[int]:
    """Make the missing ranges; yields the number of samples in each shard as it is done."""
    first = missing[0][0]
    (sample,) = samples.generator.generate([first])
    shards = split(missing, shard_length(to_record(sample)))
    if workers == 1 or len(shards) < FEWEST_SHARDS_FOR_WORKERS:
        for shard in shards:
            yield make_shard(samples.generator, samples.store, shard)
        return
    with _single_threaded(), _pool(min(workers, len(shards))) as pool:
        futures = [pool.submit(make_shard, samples.generator, samples.store, shard) for shard in shards]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise KdkitError(
                "a process that made samples was killed, perhaps for lack of memory",
                "Set trainer.workers lower; the samples made so far are kept.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def make_shard(generator: Generator, store: ShardStore, indices: Range) -> int:
    """Generate and write one shard; returns its number of samples."""
    records = [to_record(sample) for sample in generator.generate(range(*indices))]
    store.write(indices[0], records)
    return len(records)


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that has loaded torch or OpenCV can deadlock.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Each worker keeps to one core: numeric libraries read these variables when they are first loaded."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(dict.fromkeys(variables, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
