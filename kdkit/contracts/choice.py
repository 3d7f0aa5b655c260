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

from kdkit.contracts.component import IDENTITY, ComponentOptions
from kdkit.errors import KdkitError

if TYPE_CHECKING:
    from typing import Self

    from kdkit.contracts.teacher import Teacher


class TeacherChoice(BaseModel):
    """A registered teacher by ``name``; every other key is an option of that teacher.

    For the options of a component that builds on teachers::

        class Options(ComponentOptions):
            members: tuple[TeacherChoice, ...] = Field(min_length=1, description="The teachers.")

    :meth:`make` gives the teacher. In the fingerprint of the component the choice counts with the teacher's own.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    in_words: ClassVar[str] = "name and options of a teacher"

    name: str = Field(description="Name of a registered teacher.")
    _class: type[Teacher] = PrivateAttr()
    _options: ComponentOptions = PrivateAttr()

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Self:
        from kdkit.plugins import discover

        registry = (info.context or {}).get("registry") or discover()
        try:
            found: Any = registry.component("teacher", self.name)
        except KdkitError as error:
            raise ValueError(error.message) from error
        self._class = found
        self._options = found.Options.model_validate(self.model_extra, context=info.context)
        return self

    @model_serializer
    def _written(self, info: SerializationInfo) -> Any:
        if info.context == IDENTITY:
            return self.make().fingerprint()
        return {"name": self.name, **self._options.model_dump(mode=info.mode)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TeacherChoice) and (self.name, self._options) == (other.name, other._options)

    def __hash__(self) -> int:
        return hash(self.name)

    def make(self) -> Teacher:
        """A new instance of the teacher, with its options."""
        return self._class(self._options)
