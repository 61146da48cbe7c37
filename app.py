"""CNN Studio's entry: `streamlit run app.py` serves the dashboard.

It joins three things and does none of their work: the frame (the pages), the streaming route beside it, and the worker's
lifespan. torch is not imported here, so that the first page is painted before it is loaded.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Read when torch is loaded. Its threads spin while they wait for each other, and a browser on the same machine wants those cores:
# beside one busy program, training on two cores ran at 400 images/s with endless spinning and at 760 with little (alone: 1,400, 1,200).
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import pandas  # noqa: F401  (imported before the worker's thread may need it: two threads importing it at once trip over each other)
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cnn_core.errors import StudioError
from pages.charts import image_sheets
from pages.shared import stream
from pages.shared.guard import UploadGuard, guarded
from pages.shared.identity import check_sign_in
from pages.shared.server import get_worker
from pages.shared.stream import ended_by_signals

try:
    check_sign_in()
    worker = get_worker()
except StudioError as error:
    sys.exit(f"CNN Studio cannot start. {error}")


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """The worker lives as long as the server; a signal to end also ends the open streams."""
    worker.start()
    try:
        with ended_by_signals():
            yield
    finally:
        worker.stop()


def say_sorry(error: Exception) -> bool:
    """What a person sees of a mistake of ours: a sentence; the details go to the terminal."""
    logging.getLogger("cnn_studio").error("A page failed", exc_info=error)
    st.error("Something in CNN Studio itself went wrong; your runs are safe. Reload the page. The details are in the terminal.")
    return True


app = st.App(
    "pages/shared/frame.py",
    lifespan=lifespan,
    on_script_error=say_sorry,
    routes=guarded([*stream.routes, *image_sheets.routes], st.get_option("server.baseUrlPath")),
    # Streamlit checks the Host header of its own websocket only; this guards every route against DNS rebinding.
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=st.get_option("server.allowedHosts") or ["*"]),
        Middleware(UploadGuard),
    ],
)
