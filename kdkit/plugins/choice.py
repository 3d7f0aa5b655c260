"""A component as an option of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializationInfo,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from kdkit.contracts.component import IDENTITY, ComponentOptions, Origin, origin_of
from kdkit.errors import KdkitError

if TYPE_CHECKING:
    from typing import Self

    from kdkit.contracts.generator import Generator
    from kdkit.contracts.teacher import Teacher


class ComponentChoice(BaseModel):
    """A registered component by ``name``; every other key is an option of that component.

    In the fingerprint of the component that has it as an option, the choice counts with its own.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: ClassVar[str]

    name: str = Field(description="Name of a registered component.")
    _class: type[Any] = PrivateAttr()
    _options: ComponentOptions = PrivateAttr()
    _origin: Origin = PrivateAttr()

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Self:
        from kdkit.plugins.registry import discover

        registry = (info.context or {}).get("registry") or discover()
        try:
            component: Any = registry.component(self.kind, self.name)
        except KdkitError as error:
            raise ValueError(error.message) from error
        self._class = component
        self._options = component.Options.model_validate(self.model_extra, context=info.context)
        self._origin = origin_of(component)
        return self

    def _component(self, *arguments: Any) -> Any:
        component = self._class(self._options, *arguments)
        # In a worker process no registry has written it on the class.
        component.origin = self._origin
        return component

    @model_serializer
    def _serialize(self, info: SerializationInfo) -> Any:
        if info.context == IDENTITY:
            return self._component().fingerprint()
        return {"name": self.name, **self._options.model_dump(mode=info.mode)}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.name, self._options) == (other.name, other._options)

    def __hash__(self) -> int:
        return hash(self.name)


class TeacherChoice(ComponentChoice):
    """A registered teacher by ``name``; every other key is an option of that teacher.

    For the options of a component that builds on teachers::

        class Options(ComponentOptions):
            members: tuple[TeacherChoice, ...] = Field(min_length=1, description="The teachers.")

    :meth:`make` gives the teacher. In the fingerprint of the component the choice counts with the teacher's own.
    """

    kind = "teacher"
    in_words: ClassVar[str] = "name and options of a teacher"

    def make(self) -> Teacher:
        """A new instance of the teacher, with its options."""
        teacher: Teacher = self._component()
        return teacher


class GeneratorChoice(ComponentChoice):
    """A registered generator by ``name``; every other key is an option of that generator.

    For the options of a component that builds on generators, as :class:`TeacherChoice` is for teachers.
    """

    kind = "generator"
    in_words: ClassVar[str] = "name and options of a generator"

    def make(self, seed: int) -> Generator:
        """A new instance of the generator, with its options and this seed."""
        generator: Generator = self._component(seed)
        return generator
