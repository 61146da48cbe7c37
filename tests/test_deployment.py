"""The files for a server and the page about them name what there is: settings, paths, ports, sizes; its command for a copy makes one."""

import re
import shlex
import sqlite3
import subprocess
import tomllib
from pathlib import Path

import pytest
from streamlit import config

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.runs import limits
from cnn_core.runs.limits import read_limits
from cnn_core.runs.store import Store
from cnn_core.search.plan import Plan
from cnn_core.search.space import parse_space
from cnn_core.search.studies import SearchStore
from pages.shared.stream import SILENCE_SECONDS
from tests.helpers import ROOT

DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deployment.md").read_text()
SERVER = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]
OWN = {limits.QUEUE_SHARE, limits.DISK_QUOTA, limits.TEACHERS, limits.PEOPLE, "CNN_STUDIO_HOME"}
STREAMLITS = {option.env_var for option in config._config_options_template.values()}


def environment() -> dict[str, str]:
    """deploy/environment as systemd reads it, what is commented out left out."""
    lines = [line for line in (DEPLOY / "environment").read_text().splitlines() if line and not line.startswith("#")]
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


@pytest.mark.parametrize("path", [*sorted(DEPLOY.iterdir()), ROOT / "docs" / "deployment.md"], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path):
    text = path.read_text()
    assert set(re.findall(r"CNN_STUDIO_[A-Z_]+", text)) <= OWN
    assert set(re.findall(r"STREAMLIT_[A-Z_]+", text)) <= STREAMLITS


def test_the_page_names_every_limit_with_what_it_is_when_left_out():
    for name in OWN - {"CNN_STUDIO_HOME"}:
        assert f"| `{name}` |" in PAGE
    usual = read_limits({}, is_shared=True)
    rows = {row.split("`")[1]: row for row in PAGE.splitlines() if row.startswith("| `CNN_STUDIO_")}
    assert f"| {usual.queue_share} " in rows[limits.QUEUE_SHARE]
    assert f"| {limits.space_in_words(usual.disk_quota or 0).replace('.0', '')} " in rows[limits.DISK_QUOTA]


def test_every_file_that_is_named_exists():
    for name in re.findall(r"deploy/\w[\w.-]*", PAGE):
        assert (ROOT / name).is_file(), name
    for module in re.findall(r"python -m (benchmarks\.\w+)", PAGE):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_the_environment_of_a_server_can_be_read():
    given = environment()
    found = read_limits(given, is_shared=True)
    assert found == limits.Limits(20, 2 * 10**9, frozenset({"ada@school.example"}), frozenset({"@school.example"}))
    assert given["STREAMLIT_SERVER_ALLOWED_HOSTS"].split() == ["studio.school.example", "127.0.0.1"]


def test_the_unit_starts_the_dashboard_where_its_files_are_and_gives_it_time_to_save():
    unit = (DEPLOY / "cnn-studio.service").read_text()
    folder = re.search(r"WorkingDirectory=(.+)", unit)[1]
    assert re.search(r"ExecStart=(.+)", unit)[1] == f"{folder}/.venv/bin/streamlit run app.py" and (ROOT / "app.py").is_file()
    assert "User=cnn-studio" in unit and int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) >= 30
    assert "EnvironmentFile=-/etc/cnn-studio/environment" in unit


def test_the_proxies_speak_to_the_address_on_which_the_dashboard_listens():
    place = f"{SERVER['address']}:{SERVER['port']}"
    assert f"proxy_pass http://{place};" in (DEPLOY / "nginx.conf").read_text()
    assert f"reverse_proxy {place}" in (DEPLOY / "Caddyfile").read_text()
    assert place in PAGE and f"127.0.0.1:{SERVER['port']}:{SERVER['port']}" in PAGE


def test_nginx_lets_through_what_the_dashboard_takes_and_holds_no_stream_back():
    nginx = (DEPLOY / "nginx.conf").read_text()
    assert int(re.search(r"client_max_body_size (\d+)m;", nginx)[1]) > SERVER["maxUploadSize"]
    assert "proxy_buffering off;" in nginx and "proxy_set_header Upgrade $http_upgrade;" in nginx
    assert "proxy_set_header Host $http_host;" in nginx
    assert 3600 * int(re.search(r"proxy_read_timeout (\d+)h;", nginx)[1]) > SILENCE_SECONDS


def test_the_container_takes_all_that_the_dashboard_needs_and_no_secret():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = [source for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE) for source in line.split()[:-1]]
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == kept == {"app.py", "requirements.txt", "cnn_core", "pages", ".streamlit/config.toml"}
    assert all((ROOT / name).exists() for name in copied)
    assert "\nUSER cnn-studio\n" in dockerfile and f":{SERVER['port']}/_stcore/health" in dockerfile
    assert ".streamlit/secrets.toml" in (ROOT / ".gitignore").read_text().split()


def test_a_copy_has_the_runs_and_no_journal_of_a_write_under_way(home: Home, tmp_path: Path):
    # A journal that was copied beside the database is rolled back into it when the copy is opened.
    run = Store(home).create(make_config())
    SearchStore(home).create(Plan("rates", make_config(), parse_space(["depth=1..3"])))
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
