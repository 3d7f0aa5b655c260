"""Contract suites: what the author of a component runs against his class.

Subclass one in a test file, name the class, and pytest runs the whole suite; each failure says which promise is
broken, why it matters and what to do::

    from kdkit.testing import GeneratorContract
    from kdkit_leaves.renderer import LeafRenderer

    class TestLeafRenderer(GeneratorContract):
        component = LeafRenderer
        options = {"size": 64}

``kdkit plugins verify`` runs the same suites without pytest.
"""

from kdkit.testing.adversary import AdversaryContract
from kdkit.testing.domain import DomainContract
from kdkit.testing.generator import GeneratorContract
from kdkit.testing.metric import MetricContract
from kdkit.testing.objective import ObjectiveContract
from kdkit.testing.promise import BrokenPromiseError, ContractAdvice
from kdkit.testing.student import StudentContract
from kdkit.testing.teacher import TeacherContract

__all__ = [
    "AdversaryContract",
    "BrokenPromiseError",
    "ContractAdvice",
    "DomainContract",
    "GeneratorContract",
    "MetricContract",
    "ObjectiveContract",
    "StudentContract",
    "TeacherContract",
]
