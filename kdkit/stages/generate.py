"""generate: recipe → samples in the store."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

from kdkit.contracts.generator import Generator
from kdkit.errors import DataError, KdkitError
from kdkit.run import Run
from kdkit.store.samples import SampleSet, to_record
from kdkit.store.shards import Range, Record, ShardStore, shard_length, split

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
    with _named(samples.generator, (first, first + 1)):
        (record,) = _records(samples.generator, (first, first + 1))
    shards = split(missing, shard_length(record))
    if workers == 1 or len(shards) < FEWEST_SHARDS_FOR_WORKERS:
        for shard in shards:
            yield make_shard(samples.generator, samples.store, shard)
        return
    _check_sendable(samples.generator)
    with _single_threaded(), _pool(min(workers, len(shards))) as pool:
        try:
            yield from _in_processes(pool, samples, shards, min(workers, len(shards)))
        except BrokenProcessPool as error:
            raise KdkitError(
                "a process that made samples was killed, perhaps for lack of memory",
                "Set trainer.workers lower; the samples made so far are kept.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _in_processes(pool: ProcessPoolExecutor, samples: SampleSet, shards: list[Range], workers: int) -> Iterator[int]:
    """Each shard's number of samples as it is done; only a few shards wait in the pool at any time."""
    todo = iter(shards)

    def submitted(count: int) -> set[Future[int]]:
        return {pool.submit(make_shard, samples.generator, samples.store, shard) for shard in islice(todo, count)}

    with _interruptions_ignored():
        running = submitted(workers)
    running |= submitted(workers)
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= submitted(len(done))
        for future in done:
            yield future.result()


@contextmanager
def _interruptions_ignored() -> Iterator[None]:
    """While worker processes start: they inherit it, and one interrupted half-way would break the whole pool."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_sendable(generator: Generator) -> None:
    # Tried before a pool is made: one that fails to send a task waits for ever when it is closed.
    try:
        pickle.dumps(generator)
    except Exception as error:  # a plugin's object may refuse in any way
        raise KdkitError(
            f"the generator {type(generator).__name__} cannot be sent to another process: {error}",
            "Set trainer.workers=1.",
        ) from error


def make_shard(generator: Generator, store: ShardStore, indices: Range) -> int:
    """Generate and write one shard; returns its number of samples."""
    with _named(generator, indices):
        records = _records(generator, indices)
        store.write(indices[0], records)
    return len(records)


def _records(generator: Generator, indices: Range) -> list[Record]:
    records = [to_record(sample) for sample in generator.generate(range(*indices))]
    if len(records) != indices[1] - indices[0]:
        raise DataError(f"it made {len(records)} samples instead of {indices[1] - indices[0]}")
    return records


@contextmanager
def _named(generator: Generator, indices: Range) -> Iterator[None]:
    """Whatever goes wrong in a generator is told as one error that names it."""
    told = f"the generator {type(generator).__name__} failed on samples {indices[0]} to {indices[1] - 1}"
    try:
        yield
    except DataError as error:
        raise DataError(f"{told}: {error.message}", error.remedy) from error
    except KdkitError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise KdkitError(
            f"{told}: {type(error).__name__}: {error}",
            f"It happened in {place.filename}, line {place.lineno}; the samples made so far are kept.",
        ) from error


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that has loaded torch or OpenCV can deadlock.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_follow_parent)


def _follow_parent() -> None:
    """In a worker: leave interruptions to the parent, and end when the parent does, however it was ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


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
