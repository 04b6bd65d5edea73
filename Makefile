# make setup | demo | test | lint | bench | clean.  PYTHON=python3.12 chooses another Python for .venv.
BIN := .venv/bin
BUNDLE := bundles/pocket
CLIP := tests/clips/car-detection.mp4

.PHONY: setup demo test lint bench clean
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

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The bundle is made anew when the checkpoint or what exports it is newer.
$(BUNDLE)/manifest.json: $(wildcard models/pocket/*) $(wildcard export/*.py)
	@echo "exporting models/pocket to $(BUNDLE) (about 20 s)"
	@$(BIN)/magno export models/pocket --out $(BUNDLE)
	@touch $@
