"""kdkit from Python: what the command line does, as functions. Importing this module loads no torch.

Nothing is printed: a :class:`kdkit.Progress` that is handed in receives what goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.errors import DataError, HardwareError, KdkitError, StoreError, UsageError, did_you_mean
from kdkit.progress import Progress, Silence
from kdkit.scratch import scratch_folder

if TYPE_CHECKING:
    import numpy as np
    import torch

    from kdkit.contracts.domain import Domain
    from kdkit.contracts.metric import Metric, Score
    from kdkit.engine.predict_files import FilesOutcome
    from kdkit.engine.stream import Stream, StreamState
    from kdkit.evaluation.comparison import Comparison
    from kdkit.evaluation.judgement import JudgedDifference
    from kdkit.evaluation.models import LoadedModel, LoadedTeacher
    from kdkit.evaluation.prediction_cache import PredictionCache
    from kdkit.evaluation.scoring import ScoringResult
    from kdkit.export.write import ExportResult
    from kdkit.plugins.registry import Registry
    from kdkit.recipe.schema import Hardware
    from kdkit.runs.run import Run
    from kdkit.runs.student import TrainedStudent


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    ``stages``: those that did something, in order; none where everything was whole. ``scores``: model to metric to
    score; ``differences``: "student-teacher" and the like to metric to the judged difference; both empty before the
    stage evaluate. ``doubts``: sentences on what speaks against the result, by what they are about, "teacher",
    "student" or "metrics". ``report``, ``student``: None before the stages that write them.
    """

    folder: Path
    stages: Sequence[str]
    scores: Mapping[str, Mapping[str, Score]]
    differences: Mapping[str, Mapping[str, JudgedDifference]]
    report: Path | None
    student: Path | None
    doubts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "run": str(self.folder),
            "stages": list(self.stages),
            "scores": _to_plain(self.scores),
            "differences": _to_plain(self.differences),
            "report": str(self.report) if self.report else None,
            "student": str(self.student) if self.student else None,
            "doubts": {about: list(sentences) for about, sentences in self.doubts.items()},
        }


def run(
    domain: str,
    config: Path | str | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    out: Path | str | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
    profile: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """Bring a run up to date: what is whole is skipped, what was cut off goes on where it stopped.

    ``domain``: its name, or a Python file with one. ``config``: a YAML recipe, or what one would hold, laid over the
    domain's default. ``settings``: ``path.to.key=value`` each. ``out``: the run's folder; by default one below
    ``KDKIT_HOME`` (else ``runs``) that is named after the recipe. ``first``: make this stage and what follows again;
    ``last``: stop after this stage; ``only``: this stage alone, if it is not whole; what comes before must be.
    ``profile``: write where the time went to ``profile.html`` and ``profile.json`` in the run's folder.

    Raises :class:`kdkit.KdkitError` with every fault of the recipe.
    """
    pending_run = prepare_run(domain, config, settings, out, progress)
    return finish_run(pending_run, first, last, only, profile=profile)


def prepare_run(
    domain: str,
    config: Path | str | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    out: Path | str | None = None,
    progress: Progress | None = None,
) -> Run:
    """The run that :func:`run` would bring up to date; nothing is made yet."""
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.folder import choose_folder, home
    from kdkit.runs.run import Run

    over = Path(config) if isinstance(config, str) else config
    experiment = load_experiment(discover(), domain, over, settings)
    named = Path(out) if out else None
    folder = choose_folder(home(), experiment.recipe.domain, experiment.identity(), named, cache(experiment.contents))
    return Run(experiment, folder, home() / "store", progress or Silence())


def finish_run(
    run: Run, first: str | None = None, last: str | None = None, only: str | None = None, *, profile: bool = False
) -> RunResult:
    """Run the stages that are not whole; see :func:`run`."""
    from kdkit.evaluation.outcome import read_scores
    from kdkit.runs.folder import STUDENT
    from kdkit.stages.pipeline import run_stage, run_stages
    from kdkit.stages.profiled import profiled

    with profiled(run) if profile else nullcontext():
        stages = run_stage(run, only) if only else run_stages(run, first, last)
    folder = run.folder
    try:
        scores, differences = read_scores(folder.scores_file)
    except StoreError:  # none yet, or damaged: the stage evaluate makes them
        scores, differences = {}, {}
    return RunResult(
        folder=folder.path,
        stages=stages,
        scores=scores,
        differences=differences,
        report=folder.report_file if folder.report_file.is_file() else None,
        student=folder.model(STUDENT) if folder.model(STUDENT).is_dir() else None,
        doubts=folder.manifest().get("doubts", {}) if scores else {},
    )


@dataclass(frozen=True)
class LoadedStudent:
    """A trained student, ready for use."""

    student: TrainedStudent

    @property
    def notes(self) -> Sequence[str]:
        """What differs from when it was trained, a sentence each."""
        return self.student.notes

    @property
    def card(self) -> Mapping[str, Any]:
        """What the student is and where it comes from: the content of ``card.json``."""
        return self.student.card

    @property
    def network(self) -> torch.nn.Module:
        """From a batch of raw inputs, (batch, \\*sample shape), to logits; frozen, in evaluation mode."""
        return self.student.network

    @property
    def domain(self) -> Domain:
        """The student's field of application, which knows how files are read."""
        return self.student.domain

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """The predictions for raw inputs, (batch, \\*sample shape): activated, float32, (batch, \\*output shape).

        Raises :class:`kdkit.DataError` when the network cannot take the inputs.
        """
        import numpy as np
        import torch

        from kdkit.engine.inference import infer_logits
        from kdkit.store.targets import activate

        if np.ndim(inputs) < 2 or len(inputs) == 0:
            raise DataError(f"expected a batch of inputs, (batch, ...), found the shape {np.shape(inputs)}")
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        try:
            logits = infer_logits(self.network, list(inputs), device)
        except Exception as error:  # a network says in many ways that an input does not fit
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            raise DataError(
                f"the student cannot take inputs {inputs.dtype} {inputs.shape}: {reason}",
                f"It takes {self.card.get('inputs', 'what its card says')}.",
            ) from error
        return np.stack([activate(sample_logits, self.domain.activation) for sample_logits in logits])

    def stream(self, state: StreamState | None = None) -> Stream:
        """A clip that is fed frame by frame: each ``step(frame)`` gives the prediction for one.

        ``state``: to go on where another stream of this student's stopped. Raises :class:`kdkit.KdkitError` when the
        student cannot be fed so, or the state is another student's.
        """
        from kdkit.engine.stream import Stream

        return Stream(self.student, state)

    def predict_files(
        self,
        inputs: Sequence[Path | str],
        out: Path | str,
        *,
        outputs: Mapping[str, Any] | None = None,
        hardware: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> FilesOutcome:
        """Predict files, and those in folders, and write the domain's files for each to ``out``.

        ``summary.csv`` there has a row for each, and ``index.html`` shows them, the most doubtful first.

        What lies in ``out`` from an earlier call with the same student and outputs is kept. ``outputs``: options of
        the domain that say what is written ({"overlay": "none"}, say). ``hardware``: options of the recipe's
        ``trainer`` section. Raises :class:`kdkit.DataError` when there is no file to predict, and other
        :class:`kdkit.KdkitError` when ``out`` cannot be written.
        """
        from kdkit.engine.inputs import list_inputs
        from kdkit.stages.predict_folder import predict_to_folder

        input_paths = [Path(path) for path in inputs]
        paths, result_folders = list_inputs(self.domain, input_paths)
        if not paths:
            looked = f"Looked for {', '.join(self.domain.input_suffixes)}."
            if result_folders:
                looked += f" {result_folders[0]} holds results of kdkit predict and is not searched; name the files."
            raise DataError(f"no files to predict in {', '.join(map(str, input_paths))}", looked)
        with (
            (progress or Silence()).work("predict", str(self.card["component"]), len(paths), "files") as bar,
            _hardware_of_call(),
        ):
            student = self.student.with_outputs(outputs) if outputs else self.student
            outcome = predict_to_folder(student, paths, Path(out), _hardware(hardware or {}), bar)
        return replace(outcome, result_folders=result_folders)

    def predict_stream(
        self,
        source: Path | str,
        out: Path | str,
        shape: Sequence[int],
        *,
        dtype: str = "uint8",
        patience: float = 2.0,
    ) -> int:
        """Predict raw frames as they arrive, in a file that grows or, for "-", on standard input; their number.

        ``shape``, ``dtype``: of each frame; nothing lies between two of them. ``patience``: seconds after which a
        file that no longer grows has ended. ``out`` receives ``NAME.f32``, float32 predictions that grow along, and
        in the end ``NAME.json``, their shape and number. Raises :class:`kdkit.DataError` when the stream ends within
        a frame; what was predicted before is kept.
        """
        from kdkit.engine.stream_files import FrameLayout, predict_stream

        return predict_stream(self.stream(), str(source), FrameLayout(tuple(shape), dtype, patience), Path(out))


def load_student(path: Path | str, domain_file: Path | str | None = None) -> LoadedStudent:
    """The student in a run's folder or in a student's own.

    ``domain_file``: the Python file of its domain, where that is a single file: it is never loaded unasked.
    Raises :class:`kdkit.KdkitError` when there is none, and :class:`kdkit.WeightsError` for damaged files.
    """
    return _load_student(_registry(domain_file), Path(path))


def export_student(
    path: Path | str,
    form: str,
    out: Path | str,
    *,
    int8: bool = False,
    domain_file: Path | str | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Write a student for use without kdkit, and compare what was written with it on real inputs.

    ``path``: the folder of a run or of a student. ``form``: "onnx", "torch-export", "safetensors" or "monai-bundle".
    ``out``: a folder, new or empty. ``int8``: convolutions in 8 bits, calibrated on samples of the student's run; the
    result's ``loss`` says what that costs by each of the run's metrics. Raises
    :class:`kdkit.KdkitError` when the student cannot be written so, or the file differs from it by more than 1e-4;
    nothing is left behind then.
    """
    from kdkit.export.write import export

    registry = _registry(domain_file)
    loaded = _load_student(registry, Path(path))
    with (progress or Silence()).work("export", str(loaded.card["component"]), 1, "student") as bar:
        result = export(registry, loaded.student, form, Path(out), int8)
        bar.advance()
    return result


@dataclass(frozen=True)
class DataEvaluation:
    """What :func:`evaluate` measured. ``facts``: what was measured on what; ``files``: those written to ``out``.

    ``notes``: what the user should know, a sentence each.
    """

    result: ScoringResult
    facts: Mapping[str, Any]
    files: Sequence[Path] = ()
    notes: Sequence[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return dict(self.facts) | self.result.as_json()


def evaluate(
    student: Path | str,
    data: Path | str,
    *,
    layout: str = "auto",
    split: str | None = None,
    settings: Sequence[str] = (),
    metrics: Sequence[str] = (),
    teacher: bool = False,
    out: Path | str | None = None,
    domain_file: Path | str | None = None,
    hardware: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> DataEvaluation:
    """Measure a student, and its teacher beside it, on a folder of a user's data, which is only read.

    ``student``: the folder of a run or of a student. ``settings``: ``key=value`` each, options of the source that
    reads the data. ``metrics``: names, or ``{name: NAME, option: value}``; by default the domain's. ``teacher``:
    measure the domain's default teacher where the student is in no run. ``out``: a folder for scores, cases and a
    page. Predictions are kept in the store below ``KDKIT_HOME``, so that another metric runs no network.
    Raises :class:`kdkit.DataError` when nothing could be measured.
    """
    from kdkit.contracts.vocabulary import summarize_defects
    from kdkit.evaluation.models import select_metrics
    from kdkit.evaluation.scoring import score_models
    from kdkit.evaluation.source_options import with_options
    from kdkit.plugins.calls import call
    from kdkit.runs.recordings import Recordings, trained_recordings

    data, listener = Path(data), progress or Silence()
    with listener.work("evaluate", "models", 1, "step") as bar:
        registry = _registry(domain_file)
        loaded_student = _load_student(registry, Path(student))
        domain, notes = loaded_student.domain, list(loaded_student.notes)
        selected_metrics = select_metrics(registry, loaded_student.student, list(metrics))
        loaded_teacher = _load_teacher(registry, Path(student), loaded_student, teacher)
        bar.advance()
    models = _models_beside(loaded_student, loaded_teacher, notes)
    trained = trained_recordings(loaded_student.student.folder, loaded_student.card)
    with listener.work("evaluate", data.name, 1, "index") as bar:
        source, options = with_options(call(domain.source, data, layout, split), settings)
        source = call(source.unchecked)
        call(source.count)
        dropped = summarize_defects(call(source.exclusions))
        bar.advance()
    hardware_options = _one_device(hardware)
    with _prediction_cache(data, domain, models, hardware_options.settle().precision) as cache:
        networks = {model: loaded.network for model, loaded in models.items()}
        with _hardware_of_call():
            result = score_models(
                networks,
                domain,
                source,
                selected_metrics,
                hardware_options,
                0,
                cache,
                listener,
                pictures=out is not None,
                trained=trained if isinstance(trained, Recordings) else None,
            )
        # A page that is handed on says nothing of the folders of this machine.
        result.skipped = [(name, reason.replace(f"{data}/", "")) for name, reason in result.skipped]
        facts = {
            "domain": loaded_student.card["domain"],
            "data": data.resolve().name,
            "split": split,
            "options": options,
            "remark": call(source.remark),
            "left_out": dropped,
            "models": {model: loaded.name for model, loaded in models.items()},
            "unknown": trained if isinstance(trained, str) else "",
        }
        files = (
            _write_evaluation(Path(out), facts, result, selected_metrics, cache, domain, source, listener)
            if out
            else []
        )
    return DataEvaluation(result, facts, files, [note for note in (dropped, facts["unknown"], *notes) if note])


def _models_beside(student: LoadedStudent, teacher: LoadedTeacher | None, notes: list[str]) -> dict[str, LoadedModel]:
    """The models to be measured, the teacher first; a teacher that cannot be used is told in ``notes``."""
    from kdkit.evaluation.models import LoadedModel

    fingerprint = student.student.fingerprint()
    models = {"student": LoadedModel(str(student.card["component"]), student.network, fingerprint)}
    if teacher is not None and teacher.network is None:
        notes.append(f"the teacher of the run is left out: {teacher.reason}")
    if teacher is not None and teacher.network is not None:
        models = {"teacher": LoadedModel(teacher.name, teacher.network, teacher.fingerprint), **models}
    return models


@contextmanager
def _prediction_cache(
    data: Path, domain: Domain, models: Mapping[str, LoadedModel], precision: str
) -> Iterator[PredictionCache]:
    """In the shared store; where that would lie in the data, which is only read, for this once."""
    from kdkit.contracts.component import fingerprint_of
    from kdkit.evaluation.prediction_cache import PredictionCache
    from kdkit.runs.folder import home

    fingerprints = {
        model: fingerprint_of(model=loaded.fingerprint, domain=domain.identity(), precision=precision)
        for model, loaded in models.items()
    }
    with scratch_folder("evaluate") as scratch:
        root = home() / "store" / "predictions"
        inside = root.resolve().is_relative_to(data.resolve())
        cache = PredictionCache(Path(scratch) if inside else root, fingerprints, domain.activation)
        try:
            yield cache
        finally:
            cache.trim()


def stored_scores(path: Path | str) -> RunResult:
    """The scores that lie in a run's folder; nothing is measured.

    Raises :class:`kdkit.KdkitError` when it is no run's folder, :class:`kdkit.DataError` without scores.
    """
    from kdkit.atomic import digest_of
    from kdkit.evaluation.outcome import read_scores
    from kdkit.runs.folder import STUDENT, RunFolder
    from kdkit.stages import evaluate

    folder = RunFolder(Path(path))
    if not folder.manifest():
        raise _no_run(folder.path, _registry(None))
    folder.check_format()
    if not folder.scores_file.is_file():
        raise DataError(
            f"the run in {folder.path} has no scores yet", f"kdkit run {folder.manifest().get('domain')} makes them."
        )
    if folder.written_digest(evaluate.NAME, folder.scores_file) != digest_of(folder.scores_file):
        raise StoreError(
            f"{folder.scores_file} is damaged, or was edited", f"kdkit run with --out {folder.path} makes it again."
        )
    scores, differences = read_scores(folder.scores_file)
    report = folder.report_file if folder.report_file.is_file() else None
    doubts = folder.manifest().get("doubts", {})
    return RunResult(folder.path, [], scores, differences, report, folder.model(STUDENT), doubts)


def compare(
    runs: Sequence[Path | str], domain_file: Path | str | None = None, progress: Progress | None = None
) -> Comparison:
    """Set the students of whole runs side by side; the others are compared with the first.

    Raises :class:`kdkit.KdkitError` for fewer than two runs or folders that are none, and
    :class:`kdkit.DataError` when a run is not whole or they were measured on different samples.
    """
    from kdkit.evaluation.comparison import compare as compare_runs
    from kdkit.runs.folder import RunFolder
    from kdkit.runs.open_run import open_run
    from kdkit.stages.pipeline import check_whole

    if len(runs) < 2:
        raise UsageError("there is nothing to compare", "Give two or more runs.")
    registry, listener = _registry(domain_file), progress or Silence()
    for path in runs:
        if not RunFolder(Path(path)).manifest():
            raise _no_run(Path(path), registry)
    whole_runs = [open_run(registry, Path(path), listener) for path in runs]
    for run in whole_runs:
        check_whole(run, "evaluate")
    return compare_runs(whole_runs, listener)


def write_report(path: Path | str, domain_file: Path | str | None = None, progress: Progress | None = None) -> Path:
    """Write the report of a run's folder again, from what lies there; nothing is trained or measured.

    Raises as :func:`compare` does.
    """
    from kdkit.runs.folder import RunFolder
    from kdkit.runs.lock import hold
    from kdkit.runs.open_run import open_run
    from kdkit.stages import report
    from kdkit.stages.pipeline import check_whole

    registry = _registry(domain_file)
    if not RunFolder(Path(path)).manifest():
        raise _no_run(Path(path), registry)
    finished_run = open_run(registry, Path(path), progress or Silence())
    with hold(finished_run.folder.path):
        check_whole(finished_run, "evaluate")
        report.execute(finished_run)
    return finished_run.folder.report_file


def _no_run(path: Path, registry: Registry) -> KdkitError:
    from kdkit.runs.folder import RunFolder

    folder = RunFolder(path)
    if folder.lost_manifest():
        return StoreError(
            f"{folder.manifest_file} is missing, damaged, or was edited",
            f"kdkit run with --out {path} and the recipe of then makes it again, and trains nothing that is whole.",
        )
    what = f"{path} is not a run's folder" if path.exists() else f"{path} does not exist"
    if str(path) in registry.names("domain"):
        return UsageError(f"{path} is a domain, not a run's folder", f"kdkit run {path} makes a run of it.")
    return UsageError(what, "Give the folder of a run, as kdkit run prints it.")


def _registry(domain_file: Path | str | None) -> Registry:
    from kdkit.plugins.registry import discover
    from kdkit.plugins.single_file import load_domain_file

    registry = discover()
    if domain_file is not None:
        load_domain_file(registry, Path(domain_file))
    return registry


def _load_student(registry: Registry, path: Path) -> LoadedStudent:
    from kdkit.runs.student import read_student

    if not path.exists() and str(path) in registry.names("domain"):
        raise UsageError(f"{path} is a domain, not a student", f"kdkit run {path} trains one.")
    return LoadedStudent(read_student(registry, path))


def _load_teacher(registry: Registry, path: Path, student: LoadedStudent, default: bool) -> LoadedTeacher | None:
    from kdkit.evaluation.models import default_teacher, teacher_of_run

    teacher = teacher_of_run(registry, path)
    if teacher is None and default:
        return default_teacher(registry, str(student.card["domain"]))
    return teacher


def _write_evaluation(
    out: Path,
    facts: Mapping[str, Any],
    result: ScoringResult,
    metrics: Mapping[str, Metric],
    cache: PredictionCache,
    domain: Domain,
    source: Any,
    progress: Progress,
) -> list[Path]:
    from kdkit.evaluation.worst import draw_worst, worst_rows
    from kdkit.pages.data import write_outcome

    first = next(iter(metrics))
    rows = worst_rows(result, "student", first, metrics[first].higher_is_better)
    with progress.work("report", "worst cases", len(rows), "samples") as bar:
        worst = list(draw_worst(cache, domain, source, rows, first, bar))
    return write_outcome(out, facts, result, metrics, worst)


def _one_device(hardware: Mapping[str, Any] | None) -> Hardware:
    return _hardware({"devices": 1, **(hardware or {})})


@contextmanager
def _hardware_of_call() -> Iterator[None]:
    """Around work whose hardware the caller chose, and no recipe."""
    try:
        yield
    except HardwareError as error:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in error.options)
        raise UsageError(error.message, f"Change {options}, or go without.") from error


def _hardware(options: Mapping[str, Any]) -> Hardware:
    from pydantic import ValidationError

    from kdkit.recipe.faults import describe_fault
    from kdkit.recipe.schema import Hardware

    try:
        return Hardware.model_validate(options)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(map(str, fault["loc"]))
        unknown = fault["type"] == "extra_forbidden"
        reason = did_you_mean(name, list(Hardware.model_fields)) if unknown else describe_fault(fault)
        raise UsageError(f"the hardware option {name} cannot be used: {reason}") from error


def _to_plain(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    from dataclasses import asdict

    return {outer: {inner: asdict(value) for inner, value in row.items()} for outer, row in tree.items()}
