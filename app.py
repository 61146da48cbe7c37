"""The entry point of CNN Studio: `streamlit run app.py` serves the dashboard.

It joins the frame (the pages), the routes beside the pages, and the start and end of the background worker. torch is not imported here, so
that the first page is shown before torch is loaded.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# torch reads this when it is loaded. Its threads spin while they wait for each other, and take the cores from a browser on the same machine:
# beside one busy program, training on two cores ran at 400 images/s with endless spinning and at 760 with little (alone: 1,400 and 1,200).
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import pandas  # noqa: F401  (imported before the worker's thread starts: two threads that import pandas at once fail)
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cnn_core.errors import StudioError
from pages.charts import image_sheets
from pages.shared import stream
from pages.shared.class_token import routes as class_routes
from pages.shared.guard import UploadGuard, guard_routes, move_routes, warn_if_open
from pages.shared.identity import check_sign_in
from pages.shared.send_at_once import send_at_once
from pages.shared.server import get_classroom, get_worker
from pages.shared.stream import ended_by_signals
from pages.shared.text import INTERNAL_ERROR

try:
    check_sign_in()
    get_classroom()
    warn_if_open(st.get_option("server.address") or "")
    worker = get_worker()
except StudioError as error:
    sys.exit(f"CNN Studio cannot start. {error}")


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Run the worker as long as the server; a signal that ends the server also ends the open streams."""
    send_at_once()
    worker.start()
    try:
        with ended_by_signals():
            yield
    finally:
        worker.stop()


def show_internal_error(error: Exception) -> bool:
    """Show a message for an error in the program itself; the details go to the terminal."""
    logging.getLogger("cnn_studio").error("A page failed", exc_info=error)
    st.error(INTERNAL_ERROR)
    return True


BASE = st.get_option("server.baseUrlPath")

app = st.App(
    "pages/shared/frame.py",
    lifespan=lifespan,
    on_script_error=show_internal_error,
    routes=[*guard_routes([*stream.routes, *image_sheets.routes], BASE), *move_routes(class_routes, BASE)],
    # Streamlit checks the Host header of its own websocket only; this protects every route from DNS rebinding.
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=st.get_option("server.allowedHosts") or ["*"]),
        Middleware(UploadGuard),
    ],
)
