"""The hook specifications: everything that a plugin can add to kdkit.

A plugin is a module that implements some of these functions with ``@hookimpl`` and is named by an entry point of the
group ``kdkit``. Each hook returns a list of :class:`kdkit.Entry`. A hook module imports nothing heavy: listing
plugins must not load torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from kdkit.entry import Entry

PROJECT = "kdkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kdkit_generators() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Sources of synthetic (or unlabelled) samples: classes derived from :class:`kdkit.Generator`."""


@hookspec
def kdkit_teachers() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Trained models that answer for samples: classes derived from :class:`kdkit.Teacher`."""


@hookspec
def kdkit_students() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Networks to be trained on a teacher's answers: classes derived from :class:`kdkit.Student`."""


@hookspec
def kdkit_metrics() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Measures of a model's answers against the truth: classes derived from :class:`kdkit.Metric`."""


@hookspec
def kdkit_objectives() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Training losses between a student's logits and a teacher's targets: :class:`kdkit.Objective`."""


@hookspec
def kdkit_domains() -> Sequence[Entry]:  # type: ignore[empty-body]
    """Fields of application: a default recipe, how inputs are read and answers shown: :class:`kdkit.Domain`."""
