"""The server as it is shipped: for this machine only, with its protections on, and gone when it is told to go."""

import os
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.helpers import LEAST_ACKNOWLEDGEMENT_SECONDS, seconds_from_head_to_body, start_process
from tests.pages.manual_run import trained_here
from tests.pages.studio_harness import ENDS_WITHIN, ROOT, Server

SETTINGS = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())


def test_usage_statistics_are_off_and_protections_are_on():
    assert SETTINGS["runner"]["postScriptGC"] is False
    assert SETTINGS["server"]["enableXsrfProtection"] is True
    assert SETTINGS["server"]["enableCORS"] is True
    assert SETTINGS["browser"]["gatherUsageStats"] is False
    assert set(SETTINGS["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert SETTINGS["server"]["fileWatcherType"] == "none"
    assert SETTINGS["client"]["showErrorDetails"] == "none"
    assert not SETTINGS["server"].get("enableAgentApi")


def test_both_themes_have_ten_colours_so_that_ten_classes_differ():
    for theme in ("light", "dark"):
        assert len(set(SETTINGS["theme"][theme]["chartCategoricalColors"])) == 10


def test_the_server_listens_on_this_machine_only(server):
    assert {address for address, port in listening(server.process.pid)} == {"127.0.0.1"}
    assert server.port in {port for _, port in listening(server.process.pid)}


def test_on_a_connection_that_is_kept_an_answer_comes_at_once(server):
    assert seconds_from_head_to_body(server.port, "/_stcore/health") < LEAST_ACKNOWLEDGEMENT_SECONDS


def test_sigterm_ends_a_server_whose_waiting_stream_is_watched(tmp_path):
    server = Server(tmp_path)
    try:
        store = Store(Home(tmp_path))
        with trained_here(store) as run, urllib.request.urlopen(f"{server.url}/api/runs/{run}/events", timeout=60) as watched:
            watched.readline()
            assert server.stop() < ENDS_WITHIN / 3
    finally:
        server.process.kill()
    assert "Traceback" not in server.log.read_text()


def test_a_studio_home_that_cannot_be_made_ends_the_start_with_a_message(tmp_path):
    (tmp_path / "file").write_text("in the way")
    started = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "0"],
        cwd=ROOT,
        env={**os.environ, "CNN_STUDIO_HOME": str(tmp_path / "file" / "studio")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = started.stdout + started.stderr
    assert started.returncode != 0
    assert str(tmp_path / "file" / "studio") in output and "CNN_STUDIO_HOME" in output
    assert "Traceback" not in output


def listening(pid):
    """(address, port) of every TCP socket on which the process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                address, port = local.split(":")
                octets = [int(address[i : i + 2], 16) for i in range(len(address) - 2, -1, -2)]
                found.add((".".join(map(str, octets)) if table == "tcp" else f"IPv6 {address}", int(port, 16)))
    return found


def test_child_processes_that_import_the_frame_without_a_browser_start_normally(home):
    """multiprocessing's helpers load the main module again, and in a running server that is the frame."""
    process = start_process(home, "-c", "import runpy; runpy.run_path('pages/shared/frame.py', run_name='__mp_main__')")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
