"""The endpoint, a real server asked over real sockets: its answers are the dashboard's, and whatever comes is answered in words."""

import contextlib
import http.client
import io
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from cnn_core.cli.serve import CLASSIFIED
from cnn_core.data.decoder import MAX_PIXELS, TOO_MANY_PIXELS, read_reduced
from cnn_core.inference.classifier import Classifier
from cnn_core.serving.messages import NOT_ARRIVED, TOO_LARGE
from cnn_core.text import counted
from tests.helpers import COLOURS, LEAST_ACKNOWLEDGEMENT_SECONDS, is_a_sentence, noisy_image, seconds_from_head_to_body
from tests.serving.conftest import IN_FLIGHT, MOST_MB, SECONDS, Served

PNG = {"Content-Type": "image/png"}
PATIENCE = 30.0  # seconds to wait for an answer; the machine may be busy


def ask(served, method, path, body=None, headers=PNG):
    """Status, headers and JSON of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers if body is not None else {})
        answer = connection.getresponse()
        content = answer.read()
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, answer.headers, json.loads(content) if is_json and content else content.decode()
    finally:
        connection.close()


def encoded(colour="red", kind="PNG", seed=0, size=(20, 16)):
    out = io.BytesIO()
    noisy_image(COLOURS[colour], size, np.random.default_rng(seed)).save(out, kind)
    return out.getvalue()


def raw(served, request: bytes, seconds=PATIENCE) -> bytes:
    """What comes back for bytes on the wire until the server closes the connection. The client says that it has no more when the answer begins."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
            with contextlib.suppress(OSError):  # the server has closed it
                connection.shutdown(socket.SHUT_WR)
        return answer


@pytest.fixture(scope="module")
def classifier(served: Served) -> Classifier:
    return Classifier(served.trained.folder)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_the_answer_is_the_one_that_the_dashboard_gives(served, classifier, kind):
    content = encoded("green", kind)
    status, _, answer = ask(served, "POST", "/predict", content, {"Content-Type": f"image/{kind.lower()}"})
    expected = classifier.classify(read_reduced(content, "it"))
    assert status == 200
    assert answer["class"] == expected.ranked[0][0] == "green" and answer["is_sure"] is expected.verdict.is_sure is None
    assert [entry["class"] for entry in answer["ranked"]] == [name for name, _ in expected.ranked]
    assert [entry["probability"] for entry in answer["ranked"]] == pytest.approx([p for _, p in expected.ranked], abs=1e-6)
    assert answer["probability"] == answer["ranked"][0]["probability"]


def test_the_requested_number_of_classes_is_ranked(served):
    assert len(ask(served, "POST", "/predict?top=2", encoded())[2]["ranked"]) == 2
    for wrong in ("0", "-1", "x", "1e3", "9999999", ""):
        status, _, answer = ask(served, "POST", f"/predict?top={wrong}&b", encoded())
        assert (status == 200) if wrong == "" else (status == 400 and is_a_sentence(answer["error"]))


def test_what_waits_while_the_network_works_is_classified_together(served, classifier):
    contents = [encoded(colour, seed=seed) for seed in range(20) for colour in ("red", "green", "blue")]
    before = ask(served, "GET", "/health")[2]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda content: ask(served, "POST", "/predict", content), contents))
    after = ask(served, "GET", "/health")[2]
    for content, (status, _, answer) in zip(contents, answers, strict=True):
        expected = classifier.classify(read_reduced(content, "it")).ranked
        assert status == 200 and answer["class"] == expected[0][0]
        assert answer["probability"] == pytest.approx(expected[0][1], abs=1e-5)
    images, batches = after["images"] - before["images"], after["batches"] - before["batches"]
    assert images == 60 and 1 <= batches < images
    assert after["in_flight"] == 0


def test_two_hundred_malformed_bodies_are_refused_and_the_server_lives_on(served):
    rng = np.random.default_rng(3)
    whole = [encoded(kind=kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF")]
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)  # one that is kept: a refusal leaves it usable
    for number in range(200):
        damaged = bytearray(whole[number % 5])
        if number % 3 == 0:
            damaged = bytearray(rng.bytes(int(rng.integers(0, 3000))))
        elif number % 3 == 1:
            damaged = damaged[: int(rng.integers(0, len(damaged) // 2))]
        else:
            for place in rng.integers(0, len(damaged), 40):
                damaged[place] = int(rng.integers(0, 256))
        connection.request("POST", "/predict", bytes(damaged), PNG)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        # Some flipped bytes are only other colours.
        assert answer.status == 422 and is_a_sentence(body["error"]) or number % 3 == 2 and answer.status == 200
    connection.close()
    assert ask(served, "GET", "/health")[2]["status"] == "ok"


def test_on_a_connection_that_is_kept_an_answer_comes_at_once(served):
    assert seconds_from_head_to_body(served.port, "/health") < LEAST_ACKNOWLEDGEMENT_SECONDS


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(served):
    head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: {10**9}\r\n"
    answer = raw(served, head.encode() + b"expect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ") and TOO_LARGE.format(limit=MOST_MB).encode() in answer


@pytest.mark.parametrize("way", ["announced", "in chunks"])
def test_a_body_that_is_too_large_is_refused_and_the_client_gets_to_read_why(served, way):
    body = bytes(4 * 2**20)
    status, _, answer = ask(served, "POST", "/predict", body if way == "announced" else iter([body[: 2**20]] * 4))
    assert status == 413 and is_a_sentence(answer["error"])


def test_an_image_within_the_limit_of_bytes_but_with_too_many_pixels_is_refused(served):
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    status, _, answer = ask(served, "POST", "/predict", out.getvalue())
    assert status == 422 and TOO_MANY_PIXELS.format(millions=MAX_PIXELS // 10**6) in answer["error"]


def test_a_body_that_does_not_arrive_is_given_up(served):
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 500\r\n\r\nhalf"
    begun = time.monotonic()
    answer = raw(served, head)
    assert answer.startswith(b"HTTP/1.1 408 ") and NOT_ARRIVED.format(seconds=SECONDS).encode() in answer
    assert SECONDS <= time.monotonic() - begun < PATIENCE


def test_too_many_images_at_once_are_refused_with_retry_later(served):
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 500\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(IN_FLIGHT)]
    for connection in slow:
        connection.sendall(head)
    while ask(served, "GET", "/health")[2]["in_flight"] < IN_FLIGHT:
        time.sleep(0.01)
    status, headers, answer = ask(served, "POST", "/predict", encoded())
    assert status == 503 and headers["retry-after"] == "1" and is_a_sentence(answer["error"])
    for connection in slow:
        connection.close()
    while ask(served, "GET", "/health")[2]["in_flight"]:
        time.sleep(0.01)
    assert ask(served, "POST", "/predict", encoded())[0] == 200


WRONG = {
    "an unknown address": ("GET", "/../etc/passwd", None, PNG, 404),
    "a get of predict": ("GET", "/predict", None, PNG, 405),
    "a post of the card": ("POST", "/card", b"{}", PNG, 405),
    "a delete": ("DELETE", "/predict", None, PNG, 405),
    "a form": ("POST", "/predict", b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "a text": ("POST", "/predict", b"cat", {"Content-Type": "text/plain"}, 415),
    "a page's bytes without a type": ("POST", "/predict", b"x", {"Origin": "https://evil.example"}, 415),
    "nothing": ("POST", "/predict", b"", PNG, 422),
    "a body where none belongs": ("GET", "/health", b"abc", PNG, 400),
    "another site's name": ("POST", "/predict", b"x", {**PNG, "Host": "evil.example"}, 421),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_answered_gives_a_message(served, what):
    method, path, body, headers, expected = WRONG[what]
    status, _, answer = ask(served, method, path, body, headers)
    assert status == expected and is_a_sentence(answer["error"])


def test_what_is_no_http_and_heads_that_are_too_long_close_the_connection(served):
    assert raw(served, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    with contextlib.suppress(ConnectionError):  # it may close on a client that still sends
        assert raw(served, b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 10**6).startswith(b"HTTP/1.1 400")
    assert ask(served, "GET", "/health")[0] == 200


def test_help_and_card_say_what_the_network_is(served, classifier):
    status, headers, text = ask(served, "GET", "/")
    assert status == 200 and headers["content-type"].startswith("text/plain") and "POST /predict" in text
    card = ask(served, "GET", "/card")[2]
    assert card["run"] == served.trained.id and tuple(card["classes"]) == classifier.card.classes
    assert card["temperature"] == classifier.calibration.temperature


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_is_under_way_is_answered_before_the_end(own_served, number):
    content = encoded("blue")
    head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", own_served.port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + content[:50])
        while ask(own_served, "GET", "/health")[2]["in_flight"] < 1:
            time.sleep(0.01)
        own_served.process.send_signal(number)
        time.sleep(0.5)
        connection.sendall(content[50:])
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"class": "blue"' in answer
    assert own_served.process.wait(20) == 0
    assert CLASSIFIED.format(images=counted(1, "image"), requests=counted(0, "request")) in own_served.process.stdout.read()
    assert "Traceback" not in own_served.process.stderr.read()
