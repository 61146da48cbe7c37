# make run      install what is needed (once) and serve the dashboard on http://localhost:8501
# make test     lint, then every test, the browser tests included
# make clean    remove the virtual environment and the caches
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint clean

run: .venv/installed
	$(BIN)/streamlit run app.py

test: .venv/installed-dev lint
	sh tests/browser/install_chromium.sh
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

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
	rm -rf .venv .pytest_cache .ruff_cache
