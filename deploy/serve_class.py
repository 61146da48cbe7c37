"""Serve a class in one room: `make class` asks for the codes and starts the dashboard for the local network.

The codes come from CNN_STUDIO_CLASS_CODE and CNN_STUDIO_TEACHER_CODE, or are typed. They reach the server in its environment only, so they are in
no command line, history or log. With STREAMLIT_SERVER_ADDRESS or STREAMLIT_SERVER_PORT it listens elsewhere. The file needs the standard library only.
"""

import getpass
import os
import socket
import sys
from collections.abc import Callable, Mapping

QUESTIONS = {
    "CNN_STUDIO_CLASS_CODE": "Class code, which the students will type (6 or more characters): ",
    "CNN_STUDIO_TEACHER_CODE": "Teacher's code, for you alone (8 or more characters): ",
}
OPEN = "Students open {addresses} in a browser and type a nickname and the class code. Press Ctrl-C to end."
UNREACHABLE = "192.0.2.1"  # an address that is in no network: nothing is sent to it


def main() -> None:
    """Ask, tell the address, and become the server."""
    hosts = own_hosts()
    environment = class_environment(os.environ, hosts, getpass.getpass)
    port = environment.get("STREAMLIT_SERVER_PORT", "8501")
    print(OPEN.format(addresses=" or ".join(f"http://{host}:{port}" for host in hosts)), flush=True)
    os.execve(sys.executable, [sys.executable, "-m", "streamlit", "run", "app.py"], environment)


def class_environment(given: Mapping[str, str], hosts: list[str], ask: Callable[[str], str]) -> dict[str, str]:
    """Return the environment of a server for a class: `given`, with what is missing asked for or filled in."""
    codes = {name: given.get(name) or ask(question) for name, question in QUESTIONS.items()}
    network = {
        "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
        "STREAMLIT_BROWSER_SERVER_ADDRESS": hosts[
            0
        ],  # else Streamlit asks the internet for the address, and warns where there is none
        "STREAMLIT_SERVER_ALLOWED_HOSTS": " ".join(["localhost", "127.0.0.1", *hosts]),
    }
    return {**network, **given, **codes}


def own_hosts() -> list[str]:
    """Return the address of this machine in its network, and its name there; the first is the one to tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((UNREACHABLE, 9))  # chooses the interface, and sends nothing
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    return [address, socket.gethostname()]


if __name__ == "__main__":
    main()
