"""The files in deploy/ and docs/deployment.md name existing settings, paths, ports and sizes, and the backup command works."""

import re
import runpy
import shlex
import sqlite3
import subprocess
import tomllib
from pathlib import Path

import pytest
from streamlit import config

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.people.classroom import CLASS_CODE, TEACHER_CODE, read_codes
from cnn_core.runs import limits
from cnn_core.runs.limits import read_limits
from cnn_core.runs.store import Store
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import parse_space
from cnn_core.text import format_bytes
from pages.shared.live_channel import HEARTBEAT_SECONDS
from tests.helpers import ROOT

DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deployment.md").read_text()
SERVER = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]
CLASS = {CLASS_CODE, TEACHER_CODE}
OWN = CLASS | {limits.QUEUE_LIMIT, limits.DISK_QUOTA, limits.TEACHERS, limits.ALLOWED_PEOPLE, "CNN_STUDIO_HOME"}
STREAMLITS = {option.env_var for option in config._config_options_template.values()}


def environment() -> dict[str, str]:
    """Return the variables of deploy/environment as systemd reads them, without comments."""
    lines = [line for line in (DEPLOY / "environment").read_text().splitlines() if line and not line.startswith("#")]
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


@pytest.mark.parametrize("path", [*sorted(DEPLOY.iterdir()), ROOT / "docs" / "deployment.md"], ids=lambda path: path.name)
def test_every_named_variable_exists(path):
    text = path.read_text()
    assert set(re.findall(r"CNN_STUDIO_[A-Z_]+", text)) <= OWN
    assert set(re.findall(r"STREAMLIT_[A-Z_]+", text)) <= STREAMLITS


def test_the_page_names_every_limit_with_its_default():
    for name in OWN - {"CNN_STUDIO_HOME"}:
        assert f"| `{name}` |" in PAGE
    defaults = read_limits({}, is_shared=True)
    rows = {row.split("`")[1]: row for row in PAGE.splitlines() if row.startswith("| `CNN_STUDIO_")}
    assert f"| {defaults.queue_limit} " in rows[limits.QUEUE_LIMIT]
    assert f"| {format_bytes(defaults.disk_quota or 0).replace('.0', '')} " in rows[limits.DISK_QUOTA]


def test_every_named_file_exists():
    for name in re.findall(r"deploy/\w[\w.-]*", PAGE):
        assert (ROOT / name).is_file(), name
    for module in re.findall(r"python -m (benchmarks\.\w+)", PAGE):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_the_limits_of_the_environment_file_are_read():
    variables = environment()
    assert read_limits(variables, is_shared=True) == limits.Limits(
        20, 2 * 10**9, frozenset({"ada@school.example"}), frozenset({"@school.example"})
    )
    assert variables["STREAMLIT_SERVER_ALLOWED_HOSTS"].split() == ["studio.school.example", "127.0.0.1"]


def test_the_unit_starts_the_dashboard_in_its_folder_and_gives_it_time_to_save():
    unit = (DEPLOY / "cnn-studio.service").read_text()
    folder = re.search(r"WorkingDirectory=(.+)", unit)[1]
    assert re.search(r"ExecStart=(.+)", unit)[1] == f"{folder}/.venv/bin/streamlit run app.py" and (ROOT / "app.py").is_file()
    assert "User=cnn-studio" in unit and int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) >= 30
    assert "EnvironmentFile=-/etc/cnn-studio/environment" in unit


def test_the_proxies_use_the_address_of_the_dashboard():
    address = f"{SERVER['address']}:{SERVER['port']}"
    assert f"proxy_pass http://{address};" in (DEPLOY / "nginx.conf").read_text()
    assert f"reverse_proxy {address}" in (DEPLOY / "Caddyfile").read_text()
    assert address in PAGE and f"127.0.0.1:{SERVER['port']}:{SERVER['port']}" in PAGE


def test_nginx_allows_the_upload_size_of_the_dashboard_and_does_not_buffer_streams():
    nginx = (DEPLOY / "nginx.conf").read_text()
    assert int(re.search(r"client_max_body_size (\d+)m;", nginx)[1]) > SERVER["maxUploadSize"]
    assert "proxy_buffering off;" in nginx and "proxy_set_header Upgrade $http_upgrade;" in nginx
    assert "proxy_set_header Host $http_host;" in nginx
    assert 3600 * int(re.search(r"proxy_read_timeout (\d+)h;", nginx)[1]) > HEARTBEAT_SECONDS


def test_the_container_has_the_files_of_the_dashboard_and_no_secret():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = [source for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE) for source in line.split()[:-1]]
    included = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == included == {"app.py", "requirements.txt", "cnn_core", "pages", ".streamlit/config.toml"}
    assert all((ROOT / name).exists() for name in copied)
    assert "\nUSER cnn-studio\n" in dockerfile and f":{SERVER['port']}/_stcore/health" in dockerfile
    assert ".streamlit/secrets.toml" in (ROOT / ".gitignore").read_text().split()


def test_a_backup_has_the_runs_and_no_journal_of_an_unfinished_transaction(home: Home, tmp_path: Path):
    # A journal beside the copied database would be rolled back into it when the copy is opened.
    run = Store(home).create(make_config())
    SearchStore(home).create(SearchPlan("rates", make_config(), parse_space(["depth=1..3"])))
    journal, backup = home.root / "studio.db-journal", tmp_path / "backup"
    backup.mkdir()
    commands = PAGE.partition("    for db in studio")[2].partition("\n\n")[0]
    writer = sqlite3.connect(home.root / "studio.db")
    writer.execute("begin immediate")
    writer.execute("delete from runs")
    assert journal.exists()
    subprocess.run(["sh", "-ec", "for db in studio" + commands.replace("/backup", str(backup))], cwd=home.root, check=True)
    writer.close()
    assert not list(backup.rglob("*-journal"))
    assert [copied.id for copied in Store(Home(backup)).runs()] == [run] and SearchStore(Home(backup)).names() == ["rates"]


def test_the_class_server_asks_for_the_codes_that_are_not_set_and_listens_in_the_network():
    script = runpy.run_path(str(DEPLOY / "serve_class.py"))
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "typed-by-the-teacher"

    made = script["class_environment"]({"PATH": "/bin", CLASS_CODE: "otter-42"}, script["own_hosts"](), ask)
    assert asked == [script["QUESTIONS"][TEACHER_CODE]] and made["PATH"] == "/bin"
    codes = read_codes(made)
    assert codes is not None and (codes.student, codes.teacher) == ("otter-42", "typed-by-the-teacher")
    assert (
        made["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0" and {name for name in made if name.startswith("STREAMLIT_")} <= STREAMLITS
    )
    assert set(script["own_hosts"]()) <= set(made["STREAMLIT_SERVER_ALLOWED_HOSTS"].split())
    assert "otter" not in script["OPEN"] and set(script["QUESTIONS"]) == CLASS
