# make run      install the packages (once) and serve the dashboard on http://localhost:8501
# make class    serve a class in the local network; asks for a class code and a teacher's code (docs/class.md)
# make test     run the linter, the type checker and all tests, browser tests included
# make lint     run the linter and the type checker
# make clean    delete the virtual environment and the caches
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run class test lint clean

run: .venv/installed
	$(BIN)/streamlit run app.py

class: .venv/installed
	$(BIN)/python deploy/serve_class.py

# Compiled test files are always kept: otherwise each of the two processes compiles them again at its start, for 7 seconds.
test: .venv/installed-dev lint
	sh tests/browser/install_chromium.sh
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("CNN Studio needs Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache
