"""The contract of a generator."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kdkit.contracts.component import Component, ComponentOptions, fingerprint_of
from kdkit.contracts.vocabulary import Defect
from kdkit.progress import Progress
from kdkit.sample import Sample

if TYPE_CHECKING:
    from kdkit.contracts.teacher import Teacher


class Generator(Component, ABC):
    """A source of samples, made before training and kept in the store.

    Sample ``i`` is a pure function of (options, seed, i): generation can then be stopped, resumed and split over
    processes and machines, and gives the same bytes whatever the split. Draw from :meth:`rng` and from nothing else.

    ``synthetic``: False when the samples are recordings of the real thing; reports say so.
    ``needs_gradients``: whether samples are made with the teacher, through its gradients. Such a generator is given
    the recipe's teacher by :meth:`bind`, and its samples are a function of the teacher, too.
    ``stream``: name of the random stream that :meth:`rng` draws from; empty means the class's name. Set it to the old
    name to rename a class and keep its samples.

    Example::

        class Squares(Generator):
            '''Bright squares on black, uint8 (H, W).'''

            class Options(ComponentOptions):
                size: int = Field(32, ge=8, description="Height and width in pixels.")

            def generate(self, indices):
                for index in indices:
                    rng = self.rng(index)
                    side = int(rng.integers(2, self.options.size))
                    image = np.zeros((self.options.size, self.options.size), np.uint8)
                    image[:side, :side] = 255
                    yield Sample(image, truth={"side": np.array(side)})
    """

    kind: ClassVar[str] = "generator"
    synthetic: bool = True
    needs_gradients: bool = False
    stream: ClassVar[str] = ""

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options)
        self.seed = seed
        self.teacher: Teacher | None = None

    def bind(self, teacher: Teacher) -> None:
        """Give the generator its teacher, before anything else is called; only where it ``needs_gradients``.

        Samples may be made in other processes, to which the generator is sent with it: keep no network built from it
        when pickled.
        """
        self.teacher = teacher

    @classmethod
    def example_teacher(cls, folder: Path) -> Teacher | None:
        """A small teacher to try a generator out with that ``needs_gradients``; ``folder`` is for its files."""
        return None

    @abstractmethod
    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        """Yield the samples with these indices (each >= 0), in their order.

        Raises :class:`kdkit.DataError` for an index beyond :meth:`count`, or a source that cannot be read.
        """

    def count(self) -> int | None:
        """How many samples there are; None (the default) when there is no end to them."""
        return None

    def has_truth(self) -> bool:
        """Whether any sample may have a truth, by what is known before one is made.

        False spares reading all of a source that nothing can be measured on. The default: True.
        """
        return True

    def units(self) -> Sequence[str] | None:
        """The unit of each of the :meth:`count` samples, in their order: a patient, a speaker, a digest of the file.

        Samples of one unit never lie in two of the splits of a recipe. None (the default): each sample is a unit.
        Asked only of sources that end and are not synthetic.
        """
        return None

    def draw_splits(self, sizes: Sequence[int]) -> Sequence[int] | None:
        """The indices of the samples that splits of these ``sizes`` take, one split after the other.

        No index stands twice, no unit lies in two splits, and a longer last split begins like a shorter one and
        leaves the others as they are; where there are too few samples it is shorter than the sum of the sizes. None
        (the default): units are drawn at random. For a source of several kinds of samples, say, each of which is to
        have its share in each split. Asked only of sources that end and are not synthetic.
        """
        return None

    def recordings(self, indices: Sequence[int]) -> Sequence[str | None]:
        """What each of these samples is known by among recordings, the same where one is given twice; None where it
        is drawn anew.

        The default: every sample of a source that ends or is not synthetic is one of its own.
        """
        ends = not self.synthetic or self.count() is not None
        return [str(index) if ends else None for index in indices]

    def exclusions(self) -> Sequence[Defect]:
        """What keeps items of a source out of the samples, or is doubtful about them; runs report how many."""
        return []

    def read_files(self, progress: Progress) -> None:
        """Do what takes long before :meth:`fingerprint` can answer, with a bar.

        Reading every file of a folder (:func:`kdkit.folder_digest`), say; by default nothing.
        """
        return

    def prepare(self, progress: Progress) -> None:
        """Do what takes long before :meth:`count` and :meth:`exclusions` can answer, with a bar.

        Looking at every file of a folder, say; by default nothing.
        """
        return

    def unchecked(self) -> Generator:
        """The same source for whoever reads all of it anyway: nothing is looked at before its turn comes.

        :meth:`generate` then raises :class:`kdkit.DataError` for what would else be left out. By default itself.
        """
        return self

    def remark(self) -> str:
        """What a report should say of the samples beside the generator's name, as a clause; by default nothing."""
        return ""

    def rng(self, index: int) -> np.random.Generator:
        """The random generator of sample ``index``: independent of every other sample's."""
        name = hashlib.sha256(self._stream_name().encode()).digest()[:4]
        return np.random.default_rng([self.seed, index, int.from_bytes(name, "big")])

    def identity(self) -> dict[str, str]:
        """As :meth:`Component.identity`, and the random stream."""
        return super().identity() | {"stream": self._stream_name()}

    def fingerprint(self) -> str:
        """As :meth:`Component.fingerprint`, and the seed, and the teacher's where there is one."""
        teacher = {"teacher": self.teacher.fingerprint()} if self.teacher else {}
        return fingerprint_of(component=super().fingerprint(), seed=self.seed, **teacher)

    def _stream_name(self) -> str:
        return self.stream or type(self).__qualname__
