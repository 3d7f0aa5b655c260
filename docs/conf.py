"""How Sphinx builds the site; ``make docs`` runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

import kdkit  # noqa: E402

project = "kdkit"
author = "The kdkit authors"
version = release = kdkit.__version__
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

smartquotes = False  # they would turn --option into a dash

html_theme = "furo"
html_title = f"kdkit {release}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
toc_object_entries = False

# What belongs to other projects is named in signatures and described there; the site is built without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|np|numpy|pydantic|pluggy|collections|concurrent|contextlib|pathlib|typing|pytest|abc)\..*"),
    (
        r"py:.*",
        r"(Path|Any|Literal|Mapping|Sequence|Iterable|Iterator|ClassVar|BaseModel|BaseException|FieldInfo|Activation)",
    ),
    # What results are made of, without a page of its own.
    (
        r"py:class",
        r"(.*\.)?(workers\.Result|TrainedStudent|Agreement|FilesOutcome|JudgedDifference|Comparison|ScoringResult|EvaluationResult|.*UnitCases)",
    ),
]


def setup(app: Any) -> None:
    """Called by Sphinx: the generated pages are written before anything is read."""
    app.connect("builder-inited", lambda app: generate.write(Path(app.srcdir)))
    app.connect("missing-reference", _public_name)


def _public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A reference to ``kdkit.contracts.teacher.Teacher``, or to plain ``Teacher``, leads to ``kdkit.Teacher``."""
    module, _, last = str(node.get("reftarget", "")).rpartition(".")
    if module and module.partition(".")[0] != "kdkit":
        return None
    domain = env.get_domain("py")
    for public in ("kdkit", "kdkit.testing"):
        target = f"{public}.{last}"
        found = domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, content)
        if found is not None:
            return found
    return None
