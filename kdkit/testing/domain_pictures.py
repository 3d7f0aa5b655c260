"""The promises of a domain about what it draws."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np

from kdkit.contracts.domain import Domain
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.testing.domain_examples import DomainExamples, is_picture
from kdkit.testing.promise import ContractAdvice, attempt, does_not_apply, require

MODELS = ("teacher", "student", "control")


class DomainPictures(DomainExamples):
    """Contact sheets, and figures of one case and of all together."""

    def test_samples_are_shown(self) -> None:
        """The contact sheet is an RGB picture."""
        if self.component.sheet is Domain.sheet:
            does_not_apply("the domain draws no contact sheets")
        why, remedy = (
            "kdkit generate --sheet saves it as PNG",
            "Return a uint8 array (H, W, 3) for one sample or more.",
        )
        for samples in (self._samples, self._samples[:1]):
            sheet = attempt(partial(self.component().sheet, samples), "sheet() fails", why, remedy)
            shape: tuple[int, ...] = getattr(sheet, "shape", ())
            kind = getattr(sheet, "dtype", None)
            require(
                kind == np.uint8 and len(shape) == 3 and shape[2] == 3,
                f"sheet() gives {type(sheet).__name__} {kind} {shape}",
                why,
                remedy,
            )

    def test_cases_are_shown(self) -> None:
        """The figures of a case are pictures, with and without a control."""
        if self.component.figures is Domain.figures:
            does_not_apply("the domain draws no figures")
        sample = self._samples[0]
        (prediction,) = self._predictions([sample])
        why = "the report shows the best, the median and the worst case"
        remedy = "Yield kdkit.Figure with an image's media type and its bytes for whatever models a case holds."
        for models in (MODELS, MODELS[:2]):
            case = Case("median", 0.5, sample, dict.fromkeys(models, prediction))
            figures = attempt(lambda: list(self.component().figures([case])), "figures() fails", why, remedy)  # noqa: B023
            for figure in figures:
                require(is_picture(figure), f"figures() yields {figure!r:.120}", why, remedy)
        every = [Case(rank, 0.5, sample, dict.fromkeys(MODELS, prediction)) for rank in ("best", "worst")]
        _advise_on_titles(list(self.component().figures(every)))

    def test_all_cases_are_shown_together(self) -> None:
        """The figures of all samples are pictures, however few samples there are."""
        if self.component.overview is Domain.overview:
            does_not_apply("the domain draws no figures of all samples together")
        every = self._predictions(self._samples)
        cases = [
            Case("", 0.5, sample, dict.fromkeys(MODELS, prediction))
            for sample, prediction in zip(self._samples, every, strict=True)
        ]
        why = "the report shows all evaluation samples together"
        remedy = "Yield kdkit.Figure with an image's media type and its bytes, or nothing where too little is known."
        for subset in (cases, cases[:1], []):
            figures = attempt(lambda: list(self.component().overview(iter(subset))), "overview() fails", why, remedy)  # noqa: B023
            for figure in figures:
                require(is_picture(figure), f"overview() yields {figure!r:.120}", why, remedy)


def _advise_on_titles(figures: Sequence[Figure]) -> None:
    """An advice where figures of one page have the same title, or one whose caption says it once more."""
    titles = [figure.title for figure in figures]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    repeated = [figure.title for figure in figures if figure.caption.startswith(figure.title)]
    if twice:
        text = f"figures() gives the title {twice[0]!r} to several figures of a page; Case.rank tells them apart"
        warnings.warn(text, ContractAdvice, stacklevel=1)
    if repeated:
        text = f"the caption of {repeated[0]!r} repeats its title, which stands above it"
        warnings.warn(text, ContractAdvice, stacklevel=1)
