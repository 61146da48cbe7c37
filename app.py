"""CNN Studio's entry: `streamlit run app.py` serves the dashboard.

It joins three things and does none of their work: the frame (the pages), the streaming route beside it, and the worker's
lifespan. torch is not imported here, so that the first page is painted before it is loaded.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pandas  # noqa: F401  (imported before the worker's thread may need it: two threads importing it at once trip over each other)
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pages.ui.server import get_worker
from pages.ui.stream import ended_by_signals, routes


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """The worker lives as long as the server; a signal to end also ends the open streams."""
    worker = get_worker()
    worker.start()
    try:
        with ended_by_signals():
            yield
    finally:
        worker.stop()


app = st.App(
    "pages/ui/frame.py",
    lifespan=lifespan,
    routes=routes,
    # Streamlit checks the Host header of its own websocket only; this guards every route against DNS rebinding.
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=st.get_option("server.allowedHosts") or ["*"])],
)
