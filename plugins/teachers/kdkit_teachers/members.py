"""The members of a program's archive, examined and handed on as they were examined."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from kdkit import DataError, WeightsError, check_unpacked


class RefusedError(Exception):
    """An archive that is not opened; the text is the reason."""


class Members:
    """The files of an archive by their names below its one folder, all of them in memory.

    Torch reads archives in its own way: of two members whose names differ in case it takes the first, say. So it is
    never given the file, but :meth:`repacked`: an archive of these very bytes, in which nothing is told in two ways.
    """

    def __init__(self, path: Path) -> None:
        """Raises :class:`RefusedError` for names that could be read in two ways, :class:`kdkit.WeightsError` for what
        is no whole archive, or becomes larger than one file may."""
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
                check_unpacked(path, sum(info.file_size for info in infos))
                _check_names([info.filename for info in infos])
                self.root = infos[0].filename.partition("/")[0] if infos else ""
                self.content = {info.filename.partition("/")[2]: archive.read(info) for info in infos}
        except DataError as error:
            raise WeightsError(error.message, error.remedy) from error
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise WeightsError(f"{path} is not whole: {error}", "Copy or download it again.") from error
        except MemoryError as error:
            raise WeightsError(f"{path} does not fit into memory") from error

    def read(self, name: str) -> bytes:
        """The bytes of one member. Raises :class:`RefusedError` when it is not there."""
        if name not in self.content:
            raise RefusedError(f"it lacks {name}")
        return self.content[name]

    def repacked(self) -> io.BytesIO:
        """An archive of exactly these members."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in self.content.items():
                archive.writestr(f"{self.root}/{name}", content)
        file.seek(0)
        return file


def _check_names(names: list[str]) -> None:
    roots = {name.partition("/")[0] for name in names}
    below = [name.partition("/")[2] for name in names]
    if len({name.lower() for name in below}) != len(names):
        raise RefusedError("it holds several files of one name")
    if len(roots) != 1:
        raise RefusedError(f"it holds {len(roots)} folders")
    strange = [name for name in names if not name.isascii() or not name.isprintable() or "\\" in name]
    if strange:
        raise RefusedError(f"it holds a file of the name {strange[0]!r}")
