"""The stages of a run, each from artifacts to an artifact; :mod:`kdkit.stages.pipeline` runs them in order."""
