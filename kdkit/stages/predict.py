"""predict: students and evaluation samples → predictions; and how large and fast each model is."""

from __future__ import annotations

import shutil
import statistics
import time
from typing import TYPE_CHECKING, Any

from kdkit.atomic import write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.plugins.calls import call
from kdkit.runs.folder import TEACHER
from kdkit.runs.run import Arm, Run
from kdkit.runs.student import WEIGHTS
from kdkit.stages import ranks

if TYPE_CHECKING:
    import torch

NAME = "predict"
TIMED_RUNS = 3


def is_whole(run: Run) -> bool:
    """Whether every arm's student has predicted every evaluation sample and every model was measured."""
    split = run.evaluation.split
    return run.folder.is_done(NAME, _fingerprint(run)) and all(
        run.predictions(arm).holds(split.start, split.stop) for arm in run.arms
    )


def execute(run: Run) -> None:
    """Have each student predict the evaluation samples, and measure every model's size and speed."""
    from kdkit.engine.sample_inference import infer_samples

    experiment, split = run.experiment, run.evaluation.split
    leads = ranks.rank() == 0
    with run.progress.work(NAME, experiment.recipe.student.name, len(split) * len(run.arms), "samples") as bar:
        models = {TEACHER: _teacher_facts(run)} if leads else {}
        for arm in run.arms:
            store = run.predictions(arm)
            if leads:
                _drop_old_predictions(run, arm)
            network = _load_student(run, arm)
            # Timed by the first process while the others wait. Students of other seeds are as large and as fast.
            if leads and arm.number == 0:
                models[arm.model] = _measure_network(network, run) | {
                    "bytes": (run.folder.model(arm.name) / WEIGHTS).stat().st_size
                }
            missing = store.missing_ranges(split.start, split.stop)
            bar.advance(len(split) - sum(stop - start for start, stop in missing))
            infer_samples(
                network,
                split.samples,
                missing,
                store,
                experiment.domain.activation,
                experiment.recipe.trainer,
                bar,
            )
    if leads:
        write_json(run.folder.models_file, models)
        run.folder.mark_done(NAME, _fingerprint(run), 0, [run.folder.models_file])


def discard(run: Run) -> None:
    """Drop every prediction."""
    for arm in run.arms:
        shutil.rmtree(run.folder.predictions(arm.name), ignore_errors=True)


def _fingerprint(run: Run) -> str:
    """Of the sizes and speeds: students of other seeds are as large and as fast."""
    return fingerprint_of(predictions=[run.prediction_fingerprint(arm) for arm in run.arms if not arm.number])


def _drop_old_predictions(run: Run, arm: Arm) -> None:
    for folder in run.folder.predictions(arm.name).glob("*"):
        if folder.name != run.prediction_fingerprint(arm):
            shutil.rmtree(folder)


def _load_student(run: Run, arm: Arm) -> torch.nn.Module:
    from kdkit.store.weights import fit_state, read_state

    path = run.folder.model(arm.name) / WEIGHTS
    network = call(run.experiment.student.build)
    fit_state(network, read_state(path), str(path))
    return network


def _teacher_facts(run: Run) -> dict[str, Any]:
    """Nothing is known of a teacher elsewhere, which need not run any more once everything is labelled."""
    if run.experiment.teacher.remote:
        return {"weights": None, "items_per_second": None, "bytes": None}
    files = run.experiment.teacher.files()
    network = call(run.experiment.teacher.build)
    return _measure_network(network, run) | {"bytes": sum(path.stat().st_size for path in files) if files else None}


def _measure_network(network: torch.nn.Module, run: Run) -> dict[str, Any]:
    """Number of weights, and items (frames, say) predicted in a second on the processor, one sample at a time.

    ``peak_memory_bytes``: the weights and the tensors that are alive at once while one sample is predicted.
    """
    import torch

    from kdkit.engine.inference import freeze, infer_logits
    from kdkit.engine.memory import peak_memory

    split, domain = run.evaluation.split, run.experiment.domain
    sample = split.samples.sample(split.start)
    freeze(network)
    seconds = []
    for _ in range(TIMED_RUNS + 1):
        start = time.perf_counter()
        infer_logits(network, [sample.inputs], torch.device("cpu"))
        seconds.append(time.perf_counter() - start)
    tensor_bytes = peak_memory(lambda: infer_logits(network, [sample.inputs], torch.device("cpu")))
    weight_bytes = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    return {
        # None: the network keeps them elsewhere (in another runtime), or has none.
        "weights": sum(parameter.numel() for parameter in network.parameters()) or None,
        "items_per_second": round(call(domain.items, sample) / statistics.median(seconds[1:]), 1),
        "peak_memory_bytes": weight_bytes + tensor_bytes or None,
    }
