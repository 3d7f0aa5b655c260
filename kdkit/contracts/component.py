"""What every component has: options, a version, and a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

CONTRACT_VERSION = 1
# Options are written with it for a fingerprint: what they name counts by what it is, not by how it was said.
IDENTITY = {"purpose": "fingerprint"}


class ComponentOptions(BaseModel):
    """Base of every component's ``Options``: a pydantic model whose fields say what they mean.

    Unknown options are refused and options cannot change after they were read. Give each field a description;
    ``kdkit plugins info NAME`` and ``kdkit config show DOMAIN`` print it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Origin:
    """Where a component comes from; the registry writes it on each class that it loads.

    ``name``: the registered name. ``distribution``, ``distribution_version``: what installed it; empty for a
    single-file domain. ``digest``: 16 hexadecimal digits of the source; empty where the declared version stands for
    the code, as in an installed wheel.
    """

    name: str
    distribution: str = ""
    distribution_version: str = ""
    digest: str = ""


class Component:
    """Base of generators, teachers, students, metrics, objectives and domains.

    ``Options``: a :class:`ComponentOptions` with the component's own options.
    ``version``: raise it whenever the same options begin to give other results; stored artifacts made by the
    older version are then no longer used.
    ``contract_version``: the version of kdkit's contracts that the component was written for.
    ``incidental``: options that never change what the component gives (an address, a time limit). They are left out
    of the fingerprint, so that changing one makes nothing anew.
    ``origin``: the registered name, the distribution, and a digest of the source where that is being worked on; of a
    class that no registry loaded, its own name alone.

    Import heavy libraries (torch, cv2, ...) inside methods: a component's class is loaded to check a recipe.
    """

    kind: ClassVar[str]
    contract_version: ClassVar[int] = CONTRACT_VERSION
    version: ClassVar[str] = "1"
    incidental: ClassVar[frozenset[str]] = frozenset()
    origin: Origin

    class Options(ComponentOptions):
        """No options."""

    def __init__(self, options: ComponentOptions | None = None) -> None:
        # Any: each subclass declares its own Options, and reads them by name.
        self.options: Any = self.Options() if options is None else options
        # A copy, so that it goes along into worker processes, in which no registry loads the class.
        self.origin = origin_of(type(self))

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """Options to try the component out with: small, and done in seconds.

        The contract suite and ``kdkit plugins verify`` use them. Files that the options name are written into
        ``folder``, an empty one. The default gives none, which is enough where every option has a default.
        """
        return {}

    def files(self) -> Sequence[Path]:
        """Files whose content decides what this component does (weights, say); part of its fingerprint."""
        return []

    def identity(self) -> dict[str, str]:
        """What the code is known by, wherever it lies: kind, registered name, declared version, and its digest."""
        return {"kind": self.kind, "name": self.origin.name, "version": self.version, "digest": self.origin.digest}

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when :meth:`identity`, options or :meth:`files` change.

        A path counts by the content of its file, or of those of :meth:`files` that lie below it, not by its name, so
        moving weights changes nothing. Options that are ``incidental`` do not count.
        """
        files = [Path(f) for f in self.files()]
        return fingerprint_of(
            **self.identity(),
            options=self.options_without(files),
            files=[file_digest(f) for f in files],
        )

    def options_without(self, paths: Sequence[Path]) -> Any:
        """The options that count as plain values, without those that name one of these paths or a folder around."""
        options = self.options.model_dump(exclude=set(self.incidental))
        folders = {str(folder) for folder in paths_in(options) if any(path.is_relative_to(folder) for path in paths)}
        plain = self.options.model_dump(mode="json", exclude=set(self.incidental), context=IDENTITY)
        return _without(plain, folders | {str(path) for path in paths})


def paths_in(value: Any) -> Iterator[Path]:
    """Every path among options, however deep it lies."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from paths_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from paths_in(part)


def _without(value: Any, texts: Set[str]) -> Any:
    """Plain values without those keys of mappings whose value is one of these texts."""
    if isinstance(value, dict):
        return {k: _without(v, texts) for k, v in value.items() if not (isinstance(v, str) and v in texts)}
    if isinstance(value, list):
        return [_without(part, texts) for part in value if not (isinstance(part, str) and part in texts)]
    return value


def origin_of(component: type[Component]) -> Origin:
    """The origin of a class: its own, never that of a base class."""
    own = vars(component).get("origin")
    return own if isinstance(own, Origin) else Origin(component.__qualname__)


def is_path_field(field: FieldInfo) -> bool:
    """Whether an option is a :class:`pathlib.Path`, or None."""
    return _is_path(field.annotation)


def _is_path(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_path(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return all(_is_path(member) for member in members)
    return isinstance(annotation, type) and issubclass(annotation, Path)


def fingerprint_of(**parts: Any) -> str:
    """16 hexadecimal digits of the SHA-256 over ``parts`` as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
