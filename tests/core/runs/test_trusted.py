"""What a run was told to load unexamined stands in its manifest."""

from types import SimpleNamespace

from pydantic import BaseModel

from kdkit.runs.environment import trusted


class Options(BaseModel):
    trust: bool = False
    members: list[dict] = []


def test_every_option_called_trust_that_is_set_is_recorded_however_deep():
    parts = {
        "teacher": Options(members=[{"name": "exported", "trust": True}, {"name": "onnx", "trust": False}]),
        "generator": Options(),
        "student": Options(trust=True),
    }
    components = {path: SimpleNamespace(options=options) for path, options in parts.items()}
    experiment = SimpleNamespace(components=lambda: components)
    assert trusted(experiment) == ["teacher.members.0.trust", "student.trust"]
