"""kdkit: distil a trained model into a small one without any data.

Everything that a plugin needs is importable from here, and what the command line does: :func:`run`,
:func:`load_student`, :func:`evaluate`, :func:`compare`. Names are loaded when they are first used, so that a hook
module which imports :class:`Entry` and :data:`hookimpl` costs nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import Field as Field

    from kdkit.api import DataEvaluation as DataEvaluation
    from kdkit.api import LoadedStudent as LoadedStudent
    from kdkit.api import RunResult as RunResult
    from kdkit.api import compare as compare
    from kdkit.api import evaluate as evaluate
    from kdkit.api import export_student as export_student
    from kdkit.api import load_student as load_student
    from kdkit.api import run as run
    from kdkit.content import file_digests as file_digests
    from kdkit.content import folder_digest as folder_digest
    from kdkit.content import visible_files as visible_files
    from kdkit.contracts.adversary import Adversary as Adversary
    from kdkit.contracts.alignment import AlignedAxis as AlignedAxis
    from kdkit.contracts.component import Component as Component
    from kdkit.contracts.component import ComponentOptions as ComponentOptions
    from kdkit.contracts.component import file_digest as file_digest
    from kdkit.contracts.component import fingerprint_of as fingerprint_of
    from kdkit.contracts.domain import Domain as Domain
    from kdkit.contracts.generator import Generator as Generator
    from kdkit.contracts.metric import Metric as Metric
    from kdkit.contracts.metric import Score as Score
    from kdkit.contracts.objective import FeatureObjective as FeatureObjective
    from kdkit.contracts.objective import Objective as Objective
    from kdkit.contracts.student import Student as Student
    from kdkit.contracts.teacher import Teacher as Teacher
    from kdkit.contracts.trainable import TrainableGenerator as TrainableGenerator
    from kdkit.contracts.trainable import TrainingSession as TrainingSession
    from kdkit.contracts.vocabulary import Case as Case
    from kdkit.contracts.vocabulary import Defect as Defect
    from kdkit.contracts.vocabulary import Figure as Figure
    from kdkit.contracts.vocabulary import Inspection as Inspection
    from kdkit.contracts.vocabulary import Preview as Preview
    from kdkit.contracts.vocabulary import Published as Published
    from kdkit.contracts.vocabulary import Table as Table
    from kdkit.engine.guard import check_logits as check_logits
    from kdkit.engine.guard import describe_value as describe_value
    from kdkit.engine.guard import run_network as run_network
    from kdkit.engine.stream import Stream as Stream
    from kdkit.engine.stream import StreamState as StreamState
    from kdkit.engine.threads import one_thread as one_thread
    from kdkit.entry import Entry as Entry
    from kdkit.errors import DataError as DataError
    from kdkit.errors import KdkitError as KdkitError
    from kdkit.errors import WeightsError as WeightsError
    from kdkit.export.write import ExportResult as ExportResult
    from kdkit.hookspecs import hookimpl as hookimpl
    from kdkit.limits import check_unpacked as check_unpacked
    from kdkit.limits import largest_bytes as largest_bytes
    from kdkit.limits import too_large as too_large
    from kdkit.metrics.open_clip import VisionLanguage as VisionLanguage
    from kdkit.plugins.choice import GeneratorChoice as GeneratorChoice
    from kdkit.plugins.choice import TeacherChoice as TeacherChoice
    from kdkit.progress import Bar as Bar
    from kdkit.progress import Progress as Progress
    from kdkit.progress import Silence as Silence
    from kdkit.recipe.paths import InputFile as InputFile
    from kdkit.recipe.paths import InputFolder as InputFolder
    from kdkit.recipe.paths import InputPath as InputPath
    from kdkit.sample import Sample as Sample
    from kdkit.sample import array_digest as array_digest
    from kdkit.store.file_kind import check_weights_file as check_weights_file
    from kdkit.store.weights import load_weights as load_weights
    from kdkit.workers import map_in_processes as map_in_processes
    from kdkit.workers import usable_cores as usable_cores

__version__ = "0.1.0"

_HOMES = {
    "Field": "pydantic",
    "DataEvaluation": "kdkit.api",
    "LoadedStudent": "kdkit.api",
    "RunResult": "kdkit.api",
    "compare": "kdkit.api",
    "evaluate": "kdkit.api",
    "export_student": "kdkit.api",
    "load_student": "kdkit.api",
    "run": "kdkit.api",
    "GeneratorChoice": "kdkit.plugins.choice",
    "TeacherChoice": "kdkit.plugins.choice",
    "Adversary": "kdkit.contracts.adversary",
    "AlignedAxis": "kdkit.contracts.alignment",
    "Component": "kdkit.contracts.component",
    "ComponentOptions": "kdkit.contracts.component",
    "file_digest": "kdkit.contracts.component",
    "file_digests": "kdkit.content",
    "folder_digest": "kdkit.content",
    "visible_files": "kdkit.content",
    "fingerprint_of": "kdkit.contracts.component",
    "Case": "kdkit.contracts.vocabulary",
    "Domain": "kdkit.contracts.domain",
    "Figure": "kdkit.contracts.vocabulary",
    "Preview": "kdkit.contracts.vocabulary",
    "Published": "kdkit.contracts.vocabulary",
    "Generator": "kdkit.contracts.generator",
    "Defect": "kdkit.contracts.vocabulary",
    "Inspection": "kdkit.contracts.vocabulary",
    "Table": "kdkit.contracts.vocabulary",
    "Metric": "kdkit.contracts.metric",
    "Score": "kdkit.contracts.metric",
    "FeatureObjective": "kdkit.contracts.objective",
    "Objective": "kdkit.contracts.objective",
    "Student": "kdkit.contracts.student",
    "Teacher": "kdkit.contracts.teacher",
    "TrainableGenerator": "kdkit.contracts.trainable",
    "TrainingSession": "kdkit.contracts.trainable",
    "Entry": "kdkit.entry",
    "Stream": "kdkit.engine.stream",
    "StreamState": "kdkit.engine.stream",
    "ExportResult": "kdkit.export.write",
    "DataError": "kdkit.errors",
    "KdkitError": "kdkit.errors",
    "WeightsError": "kdkit.errors",
    "hookimpl": "kdkit.hookspecs",
    "Bar": "kdkit.progress",
    "Progress": "kdkit.progress",
    "Silence": "kdkit.progress",
    "InputFile": "kdkit.recipe.paths",
    "InputFolder": "kdkit.recipe.paths",
    "InputPath": "kdkit.recipe.paths",
    "Sample": "kdkit.sample",
    "array_digest": "kdkit.sample",
    "check_logits": "kdkit.engine.guard",
    "describe_value": "kdkit.engine.guard",
    "run_network": "kdkit.engine.guard",
    "one_thread": "kdkit.engine.threads",
    "check_unpacked": "kdkit.limits",
    "largest_bytes": "kdkit.limits",
    "too_large": "kdkit.limits",
    "VisionLanguage": "kdkit.metrics.open_clip",
    "load_weights": "kdkit.store.weights",
    "map_in_processes": "kdkit.workers",
    "usable_cores": "kdkit.workers",
    "check_weights_file": "kdkit.store.file_kind",
}
__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kdkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
