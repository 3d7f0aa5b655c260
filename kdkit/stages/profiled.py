"""A run that writes down where its time goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kdkit.atomic import write_json, write_text
from kdkit.pages.profile import page
from kdkit.profiling.recorder import Recorder
from kdkit.runs import environment
from kdkit.runs.run import Run
from kdkit.stages import ranks

PAGE, DATA = "profile.html", "profile.json"


@contextmanager
def profiled(run: Run) -> Iterator[None]:
    """What is run inside the block is written to ``profile.html`` and ``profile.json`` in the run's folder.

    Also when it fails or is interrupted: until then the time went somewhere, too. Of several ranks the first is seen,
    with the processes that it started.
    """
    if ranks.rank() != 0:
        yield
        return
    recorder, listener = Recorder(run.progress), run.progress
    run.progress = recorder
    recorder.start()
    try:
        yield
    finally:
        profile = recorder.stop()
        run.progress = listener
        machine = environment.hardware()
        described = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"
        write_json(run.folder.path / DATA, {"machine": machine, **profile.as_json()})
        write_text(run.folder.path / PAGE, page(profile, run.experiment.recipe.domain, described))
        run.progress.say("profile", run.experiment.recipe.domain, str(run.folder.path / PAGE))
