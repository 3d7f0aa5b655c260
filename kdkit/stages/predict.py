"""predict: students and evaluation samples → predictions; and how large and fast each model is."""

from __future__ import annotations

import shutil
import statistics
import time
from typing import TYPE_CHECKING, Any

from kdkit import ranks
from kdkit.contracts.component import fingerprint_of
from kdkit.files import read_json, write_json
from kdkit.run import Arm, Run
from kdkit.run_folder import TEACHER
from kdkit.store.shards import ShardStore
from kdkit.student_folder import WEIGHTS

if TYPE_CHECKING:
    import torch

NAME = "predict"
TIMED_RUNS = 3


def fingerprint(run: Run, arm: Arm) -> str:
    """What an arm's predictions depend on."""
    return fingerprint_of(student=arm.fingerprint, samples=run.evaluation.split.samples.fingerprint)


def predictions(run: Run, arm: Arm) -> ShardStore:
    """The store of an arm's predictions."""
    return ShardStore(run.folder.predictions(arm.name) / fingerprint(run, arm))


def is_whole(run: Run) -> bool:
    """Whether every arm's student has answered every evaluation sample and every model was measured."""
    split = run.evaluation.split
    predicted = all(
        predictions(run, arm).holds(split.start, split.stop)
        and run.folder.fingerprint(f"{NAME}.{arm.name}") == fingerprint(run, arm)
        for arm in run.arms
    )
    return predicted and read_json(run.folder.models_file) is not None


def execute(run: Run) -> None:
    """Have each student answer the evaluation samples, and measure every model's size and speed."""
    from kdkit.engine.answering import answer_samples

    experiment, split = run.experiment, run.evaluation.split
    models = {TEACHER: _teacher_facts(run)}
    with run.progress.work(NAME, experiment.recipe.student.name, len(split) * len(run.arms), "samples") as bar:
        for arm in run.arms:
            store = predictions(run, arm)
            if ranks.rank() == 0 and run.folder.fingerprint(f"{NAME}.{arm.name}") != fingerprint(run, arm):
                _drop_others(run, arm)
            network = _trained(run, arm)
            models[arm.name] = _facts(network, run) | {"bytes": (run.folder.model(arm.name) / WEIGHTS).stat().st_size}
            missing = store.missing(split.start, split.stop)
            bar.advance(len(split) - sum(stop - start for start, stop in missing))
            answer_samples(
                network,
                split.samples,
                missing,
                store,
                experiment.domain.activation,
                experiment.recipe.trainer,
                bar,
            )
            if ranks.rank() == 0:
                run.folder.mark_done(f"{NAME}.{arm.name}", fingerprint(run, arm), 0)
    if ranks.rank() == 0:
        write_json(run.folder.models_file, models)


def discard(run: Run) -> None:
    """Drop every prediction."""
    for arm in run.arms:
        shutil.rmtree(run.folder.predictions(arm.name), ignore_errors=True)


def _drop_others(run: Run, arm: Arm) -> None:
    for folder in run.folder.predictions(arm.name).glob("*"):
        if folder.name != fingerprint(run, arm):
            shutil.rmtree(folder)


def _trained(run: Run, arm: Arm) -> torch.nn.Module:
    from kdkit.weights import fit_state, read_state

    path = run.folder.model(arm.name) / WEIGHTS
    network = run.experiment.student.build()
    fit_state(network, read_state(path), str(path))
    return network


def _teacher_facts(run: Run) -> dict[str, Any]:
    """Nothing is known of a teacher elsewhere, which need not answer any more once everything is labelled."""
    if run.experiment.teacher.remote:
        return {"weights": None, "items_per_second": None, "bytes": None}
    files = run.experiment.teacher.files()
    network = run.experiment.teacher.build()
    return _facts(network, run) | {"bytes": sum(path.stat().st_size for path in files) if files else None}


def _facts(network: torch.nn.Module, run: Run) -> dict[str, Any]:
    """Number of weights, and items (frames, say) answered in a second on the processor, one sample at a time.

    ``peak_memory_bytes``: the weights and the tensors that are alive at once while one sample is answered.
    """
    import torch

    from kdkit.engine.answering import answers_of, freeze
    from kdkit.memory import peak_memory

    split, domain = run.evaluation.split, run.experiment.domain
    sample = split.samples.sample(split.start)
    freeze(network)
    seconds = []
    for _ in range(TIMED_RUNS + 1):
        start = time.perf_counter()
        answers_of(network, [sample.inputs], torch.device("cpu"))
        seconds.append(time.perf_counter() - start)
    made = peak_memory(lambda: answers_of(network, [sample.inputs], torch.device("cpu")))
    kept = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    return {
        # None: the network keeps them elsewhere (in another runtime), or has none.
        "weights": sum(parameter.numel() for parameter in network.parameters()) or None,
        "items_per_second": round(domain.items(sample) / statistics.median(seconds[1:]), 1),
        "peak_memory_bytes": kept + made or None,
    }
