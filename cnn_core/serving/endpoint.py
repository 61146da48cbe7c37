"""The endpoint as an ASGI application: `POST /predict` with an image returns ranked classes; also /health, /card and a help page.

    request -> body, with limits -> decoding in a few threads -> the network, in batches -> JSON
Images are decoded by the guarded decoder and preprocessed as in the dashboard, so predictions are the same.
"""

import asyncio
import ipaddress
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from cnn_core.errors import ImageError
from cnn_core.inference.classifier import Classifier, Prediction
from cnn_core.inference.preprocessing import preprocess_file
from cnn_core.serving.batching import Batcher
from cnn_core.serving.help_page import help_text
from cnn_core.serving.messages import (
    ClientDisconnected,
    Receive,
    Refusal,
    Scope,
    Send,
    answer_json,
    answer_text,
    check_announced,
    header,
    read_body,
    refuse,
)

DECODERS = 2  # threads
DEFAULT_TOP = 5  # ranked classes in a response
ROUTES = {"/": "GET", "/health": "GET", "/card": "GET", "/predict": "POST"}
# Headers that a browser sends. A page of another site can send a body without a type without a CORS preflight request.
BROWSER_HEADERS = (b"origin", b"sec-fetch-site")


@dataclass(frozen=True)
class RequestLimits:
    """Limits of a request. in_flight: images that are processed at once; body_seconds: time to send a body."""

    most_bytes: int = 10 * 2**20
    body_seconds: float = 20.0
    in_flight: int = 64


class Endpoint:
    """Serves the best model of run `run`. is_local: whether only this machine can reach it; then only requests to localhost are answered."""

    def __init__(self, classifier: Classifier, run: str, limits: RequestLimits, *, is_local: bool = True) -> None:
        self.limits, self.run, self._is_local = limits, run, is_local
        self._classifier, self._batcher = classifier, Batcher(classifier)
        self._decoders = ThreadPoolExecutor(DECODERS, "decoder")
        self._requests = self._answered = self._refused = self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._requests += 1
        is_read = False

        async def watched() -> dict[str, Any]:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body")
            return message

        try:
            await self._answer(scope, watched, send)
        except ClientDisconnected:
            return
        except Refusal as refusal:
            self._refused += 1
            await refuse(scope, receive, send, refusal, is_read=is_read or not _has_body(scope))
        except Exception:  # a bug: the details go to the terminal
            logging.getLogger("cnn_studio").exception("A request failed")
            text = "CNN Studio has an internal error. Its terminal shows the details."
            await refuse(scope, receive, send, Refusal(500, text), is_read=is_read or not _has_body(scope))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or raise Refusal or ClientDisconnected before anything is sent."""
        path, method = scope["path"], "GET" if scope["method"] == "HEAD" else scope["method"]
        if self._is_local and not _is_own_name(header(scope, b"host")):
            raise Refusal(421, "This server answers only requests to localhost or 127.0.0.1. Use one of these names.")
        if path not in ROUTES:
            raise Refusal(404, f"There is no such address. Use one of {', '.join(ROUTES)}.")
        if method != ROUTES[path]:
            raise Refusal(
                405, f"{path} needs the method {ROUTES[path]}. Send the request with it.", ((b"allow", ROUTES[path].encode()),)
            )
        if method == "GET" and _has_body(scope):
            raise Refusal(400, f"{path} takes no body. Send the image to /predict.")
        if path == "/predict":
            await answer_json(send, await self._predict(scope, receive))
        elif path == "/":
            host = header(scope, b"host")
            await answer_text(send, help_text(self.run, self._classifier.card, self.limits.most_bytes, host))
        else:
            await answer_json(send, self.health() if path == "/health" else self._card())

    async def _predict(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        top = _top(scope)
        _check_type(header(scope, b"content-type"), is_page=any(header(scope, name) for name in BROWSER_HEADERS))
        check_announced(scope, self.limits.most_bytes)
        if self._in_flight >= self.limits.in_flight:
            raise Refusal(503, "Too many images are waiting. Try again in a second.", ((b"retry-after", b"1"),))
        self._in_flight += 1
        try:
            content = await read_body(receive, self.limits.most_bytes, self.limits.body_seconds)
            prediction = await self._classify(content)
        except ImageError as error:
            raise Refusal(422, str(error)) from None
        finally:
            self._in_flight -= 1
        self._answered += 1
        return prediction.fields(top)

    async def _classify(self, content: bytes) -> Prediction:
        """Return the prediction for the image in `content`. Raises ImageError."""
        pixels = await asyncio.get_running_loop().run_in_executor(self._decoders, self._decode, content)
        prediction = await self._batcher.classify(pixels)
        if not np.isfinite([probability for _, probability in prediction.ranked]).all():
            raise Refusal(500, "This model diverged and cannot predict. Serve another run.")
        return prediction

    def _decode(self, content: bytes) -> np.ndarray:
        """Return the preprocessed image, uint8 (S, S, C); runs in a thread."""
        return preprocess_file(content, "The image", self._classifier.card)

    def health(self) -> dict[str, Any]:
        """Return counts since the start; `images` were classified in `batches` passes of the network."""
        counts = {"requests": self._requests, "answered": self._answered, "refused": self._refused, "in_flight": self._in_flight}
        return {"status": "ok", "run": self.run, **counts, "images": self._batcher.images, "batches": self._batcher.batches}

    def _card(self) -> dict[str, Any]:
        """Return the model's card, its calibration, and whether images are compared with the training images."""
        calibration = self._classifier.calibration
        fitted = {
            "is_calibrated": calibration.is_fitted,
            "temperature": calibration.temperature,
            "threshold": calibration.threshold or None,
            "is_compared": self._classifier.distribution is not None,
        }
        return {"run": self.run, **self._classifier.card.model_dump(mode="json"), **fitted}

    def close(self) -> None:
        """End the threads."""
        self._decoders.shutdown(wait=False)
        self._batcher.close()


def _top(scope: Scope) -> int:
    """Return how many classes to rank: `?top=3`. Raises Refusal."""
    text = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20).get("top", [str(DEFAULT_TOP)])[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise Refusal(400, "top must be the number of classes to rank, 1 or more.")
    return int(text)


def _check_type(kind: str, is_page: bool) -> None:
    """Refuse bodies that are declared neither as an image nor as bytes: a page of another site can send neither without a CORS preflight request."""
    kind = kind.partition(";")[0].strip().lower()
    is_known = kind.startswith("image/") or kind == "application/octet-stream"
    if not is_known and (kind or is_page):
        raise Refusal(
            415,
            "Send the bytes of an image (JPEG, PNG, WebP, BMP or GIF) with its type, such as Content-Type: image/png. "
            "With curl: -H 'Content-Type: image/png' --data-binary @image.png.",
        )


def _has_body(scope: Scope) -> bool:
    return header(scope, b"content-length") not in ("", "0") or bool(header(scope, b"transfer-encoding"))


def _is_own_name(host: str) -> bool:
    """Whether a Host header is a loopback name. A page that makes its own name point to this machine (DNS rebinding) sends that name."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
