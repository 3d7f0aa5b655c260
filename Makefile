# Each target sets up what it needs, from nothing: a virtual environment in .venv with everything in requirements.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test test-all lint bench docs weights weights-temporal clean

run: $(INSTALLED)
	@$(BIN)/kdkit run echocardio

# Three processes, each with one thread: on two cores most tests wait for a processor, and some for another process.
# Bytecode is kept, also where the environment turns that off: all collect every module, and many tests start a command.
test: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/core/test_layers.py

bench: $(INSTALLED)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/echocardio.py
	$(BIN)/python benchmarks/realtime.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scoring.py

# The site, into site/; a warning, a link that leads nowhere say, is an error.
docs: $(INSTALLED)
	$(BIN)/python -m sphinx -b html -n -W --keep-going -q -d build/doctrees docs site
	@echo "site/index.html"

# Trains the embedded teacher as it is shipped, on frames of today's phantom and, by its own code, of version 2, from the
# weights that were shipped before. Both lie in this repository's history, where `make weights` makes those weights, too.
BEFORE := 2e7391c78c72394a6994fc1466132d6d4ec9cb51
VERSION_2 := d4617009a6ceca7102a968e3a1d18bca5f769e3b
COMPACT := deeplabv3_compact
DRAW := import train_teacher as t; t.simulate_all(t.parse(["--clips", "2500", "--seed", "1"]), t.Path("frames"))
weights: $(INSTALLED)
	mkdir -p build/first build/version-2/frames
	for kind in safetensors json; do \
	  git show $(BEFORE):plugins/echocardio/kdkit_echocardio/weights/$(COMPACT).$$kind \
	    > build/first/$(COMPACT).$$kind || exit; done
	git archive $(VERSION_2) | tar -x -C build/version-2
	cd build/version-2 && PYTHONPATH=.:plugins/echocardio:plugins/echocardio/scripts ../../$(BIN)/python -c '$(DRAW)'
	OMP_NUM_THREADS=1 $(BIN)/python plugins/echocardio/scripts/train_teacher.py \
	  --start build/first/$(COMPACT).safetensors --mix build/version-2/frames --clips 8000 --seed 1 \
	  --optimizer muon --learning-rate 0.002 --blend 0.5

# Trains the teacher that sees whole clips as it is embedded, into build/temporal, on from the first one, which lies in
# this repository's history and which that commit's own `make weights-temporal` makes from the one for frames. It goes
# on where it was, also with more STEPS, each half a second of one core with bfloat16.
BEFORE_CLIPS := bfe1eb79dfc301938fb94e25a795cb028c762e09
TEMPORAL := deeplabv3_temporal.safetensors
STEPS ?= 6500
weights-temporal: $(INSTALLED)
	mkdir -p build/clips
	git show $(BEFORE_CLIPS):plugins/echocardio/kdkit_echocardio/weights/$(TEMPORAL) > build/clips/$(TEMPORAL)
	git show $(BEFORE_CLIPS):plugins/echocardio/kdkit_echocardio/weights/$(COMPACT).safetensors \
	  > build/clips/$(COMPACT).safetensors
	OMP_NUM_THREADS=1 $(BIN)/python plugins/echocardio/scripts/train_temporal.py --work build/temporal \
	  --start build/clips/$(TEMPORAL) --frames build/clips/$(COMPACT).safetensors \
	  --seed 1 --learning-rate 0.0005 --bfloat16 --steps $(STEPS)

$(INSTALLED): requirements.txt pyproject.toml $(wildcard plugins/*/pyproject.toml examples/*/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed, and neither python3.11 nor python3 is on the path"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; say which with make PYTHON=/path/to/python"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info plugins/*/*.egg-info examples/*/*.egg-info .pytest_cache .mypy_cache .ruff_cache
