# make setup | demo | test | lint | bench | train | clean.  PYTHON=python3.12 chooses another Python for .venv.
BIN := .venv/bin
BUNDLE := bundles/pocket
CLIP := tests/clips/car-detection.mp4

.PHONY: setup demo test lint bench train clean
.DELETE_ON_ERROR:

setup:
	@./setup.sh

demo: setup
	@$(MAKE) -s --no-print-directory $(BUNDLE)/manifest.json
	@$(BIN)/python -m magno_ros.demo --bundle $(BUNDLE) --clip $(CLIP) $(DEMO_FLAGS)

test:
	@./setup.sh test
	@$(BIN)/python -m pytest $(PYTEST_FLAGS)

# runtime/ is typed as it is installed, magno.runtime: mypy cannot see through the folder mapping of setup.py.
lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@rm -rf build/lint && $(BIN)/python setup.py -q build --build-base build/lint-base build_py --build-lib build/lint
	@cd build/lint && ../../$(BIN)/mypy --config-file ../../pyproject.toml --strict -p magno.runtime

bench: setup
	@$(MAKE) -s --no-print-directory $(BUNDLE)/manifest.json
	@$(BIN)/magno bench ttft --bundle $(BUNDLE)

# Everything behind models/pocket, from nothing: about half an hour of making clips and two and a half of training on two
# cores. Cut short, it goes on where it was.
train: setup
	@$(BIN)/python -m magno.training.make_data --out runs/world --clips 4000 --eventful-clips 6000 --scarce-clips 4000 \
		--clips-with-ends 1000
	@$(BIN)/python -m magno.training.train --data runs/world --run runs/pocket --out models/pocket
	@$(BIN)/python -m magno.training.curves --run runs/pocket --out models/pocket/curves.png

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The bundle is made anew when the checkpoint or what exports it is newer.
$(BUNDLE)/manifest.json: $(wildcard models/pocket/*) $(wildcard export/*.py export/*/*.py)
	@echo "exporting models/pocket to $(BUNDLE) and comparing it with what it was made of (about 40 s)"
	@$(BIN)/magno export models/pocket --out $(BUNDLE)
	@$(BIN)/magno verify $(BUNDLE) --checkpoint models/pocket
	@touch $@
