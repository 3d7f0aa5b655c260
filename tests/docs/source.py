"""Where the pages lie, and the programs beside them."""

import sys
from importlib import import_module
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

generate = import_module("generate")
run_page = import_module("run_page")
