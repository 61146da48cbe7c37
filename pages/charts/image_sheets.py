"""Thumbnails of many images on one sheet: created once, and loaded once by every browser, which shows crops of it.

images --(make_sheet)--> Sheet --(offer)--> an address below the app's root --(route)--> browsers, which cache it
"""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from threading import Lock

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cnn_core.data.source import ImageSet
from cnn_core.events import Progress

SIDE = 32  # pixels of a thumbnail, at most
BLOCK = 16  # pixels whose colours WebP mixes; smaller thumbnails are stored without loss
QUALITY = 75
CHUNK = 100  # images in memory at a time
GONE = "These thumbnails are no longer available. Reload the page."
MAX_SHEETS = 16  # offered at a time: about 1.5 MB for 2,000 images each

_offered: OrderedDict[str, bytes] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, eq=False)
class Sheet:
    """A WebP image of thumbnails of `side` pixels, `columns` in a row, in the order of the images. `name`: a hash of its content."""

    data: bytes
    side: int
    columns: int
    name: str


def make_sheet(images: ImageSet) -> Generator[Progress, None, Sheet]:
    """Return the sheet of all `images`, at least one. Yields Progress."""
    count, size = len(images), images.pool.shape[1]
    side, columns = min(SIDE, size), int(np.ceil(np.sqrt(count)))
    sheet = np.zeros((-(-count // columns) * side, columns * side, 3), np.uint8)
    for start in range(0, count, CHUNK):
        yield Progress("Creating thumbnails", start, count)
        for index, pixels in enumerate(images[start : start + CHUNK], start):
            top, left = (side * place for place in divmod(index, columns))
            sheet[top : top + side, left : left + side] = _thumbnail(pixels, side)
    data = _encode(sheet, is_exact=side < BLOCK)
    return Sheet(data, side, columns, hashlib.sha256(data).hexdigest()[:24])


def _thumbnail(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return pixels (H, W, C) uint8 as (side, side, 3), or (side, side, 1) for a grey image."""
    if pixels.shape[0] == side:
        return pixels
    small = Image.fromarray(pixels.squeeze()).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small).reshape(side, side, -1)


def _encode(sheet: np.ndarray, *, is_exact: bool) -> bytes:
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "WEBP", quality=QUALITY, method=2, lossless=is_exact)
    return out.getvalue()


def offer(sheet: Sheet) -> str:
    """Return the address, below the app's root, at which browsers get the sheet until MAX_SHEETS others were offered after it."""
    with _lock:
        _offered[sheet.name] = sheet.data
        _offered.move_to_end(sheet.name)
        while len(_offered) > MAX_SHEETS:
            _offered.popitem(last=False)
    return f"api/sheets/{sheet.name}.webp"


async def send_sheet(request: Request) -> Response:
    """GET /api/sheets/{name}.webp: a sheet that a page has offered. Its name is a hash of its content, so browsers may cache it."""
    data = _offered.get(request.path_params["name"])
    if data is None:
        return JSONResponse({"error": GONE}, status_code=404)
    return Response(data, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400, immutable"})


routes = [Route("/api/sheets/{name}.webp", send_sheet)]
