"""Measure a class: thirty browsers enter, and each does one exercise. `python -m benchmarks.classroom [same|spread]`

The browsers are protocol clients: each opens a Streamlit session on a WebSocket, enters with a nickname and the class code, predicts, presses
“Train A and B”, and reruns its fragments at their intervals until its page shows the verdict on its prediction. With "same" all choose one
exercise, with "spread" (the default) they spread over all of them. The clients share the cores with the server and its training. A client also
reads all that the server sends it: a prediction that is not its own is an error.
"""

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.dashboard import Dashboard, dashboard
from benchmarks.machine import print_table
from benchmarks.viewers import connect_session
from cnn_core.lessons.effect import DIRECTIONS
from cnn_core.lessons.exercises import EXERCISES
from cnn_core.people.classroom import CLASS_CODE
from pages.views.learn.attempt_form import prediction_label

BROWSERS, CODE = 30, "benchmark-of-a-class"
LIMIT_SECONDS = 1800.0
STATEMENT = "Your prediction: "  # how `describe_verdict` begins
ENTERED, STARTED, JUDGED = "entered", "started", "judged"


@dataclass
class Browser:
    """One client: what it does, when it reached each stage (seconds from the start), and what it received that it should not have."""

    number: int
    exercise: str
    prediction: str
    begin: float
    stages: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    widgets: dict[str, str] = field(default_factory=dict)  # id by the end of the id, which is the key
    received: int = 0
    page: str = ""

    @property
    def word(self) -> str:
        """Return how a sentence calls its prediction."""
        return next(word for direction, word in EXERCISES[self.exercise].metric.words.items() if direction == self.prediction)

    def widget(self, key: str) -> str:
        """Return the id of the widget with this key, "" where the page shows none."""
        return next((name for name in self.widgets if name.endswith(f"-{key}")), "")


def main() -> None:
    way = sys.argv[1] if len(sys.argv) > 1 else "spread"
    os.environ[CLASS_CODE] = CODE
    with dashboard() as served:
        browsers, seconds = asyncio.run(_open_all(served.url, way))
        runs = len(served.store.runs())
        predictions = _stored_predictions(served)
    errors = [error for browser in browsers for error in browser.errors]
    judged = sorted(browser.stages[JUDGED] for browser in browsers if JUDGED in browser.stages)
    last_entered, last_started = (max((b.stages.get(stage, 0.0) for b in browsers), default=0.0) for stage in (ENTERED, STARTED))
    last = f"{judged[-1]:.0f} s (first {judged[0]:.0f} s, median {judged[len(judged) // 2]:.0f} s)" if judged else "none"
    exercises = len({browser.exercise for browser in browsers})
    print_table(
        f"A class of {BROWSERS}: one exercise each, {exercises} different, three pairs each",
        [
            ("browsers with an outcome", f"{BROWSERS}", f"{len(judged)} of {BROWSERS} within {seconds:.0f} s"),
            (f"time until the {BROWSERS}th has an outcome", "", last),
            ("until all have entered, have started", "", f"{last_entered:.1f} s, {last_started:.1f} s"),
            ("runs trained for all", f"{6 * exercises}", f"{runs} instead of {6 * BROWSERS}"),
            ("stored predictions", f"{BROWSERS}", f"{predictions}"),
            ("predictions of others received, other errors", "0", f"{len(errors)} in {sum(b.received for b in browsers) / 1e6:.0f} MB {'; '.join(errors)[:300]}"),
        ],
    )  # fmt: skip


def _stored_predictions(served: Dashboard) -> int:
    with served.store.database.connect() as db:
        (count,) = db.execute("select count(distinct owner) from attempts").fetchone()
    return int(count)


async def _open_all(url: str, way: str) -> tuple[list[Browser], float]:
    names, begin = list(EXERCISES), time.perf_counter()
    browsers = [
        Browser(number, names[number % len(names)] if way == "spread" else "dropout", DIRECTIONS[number % len(DIRECTIONS)], begin)
        for number in range(BROWSERS)
    ]
    tasks = [asyncio.create_task(_attend(url, browser)) for browser in browsers]
    await asyncio.wait(tasks, timeout=LIMIT_SECONDS)
    for task, browser in zip(tasks, browsers, strict=True):
        if task.done() and (error := task.exception()):
            browser.errors.append(repr(error))
        task.cancel()
    return browsers, time.perf_counter() - begin


async def _attend(url: str, browser: Browser) -> None:
    """Enter, predict and start; return once the verdict is shown."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    timers: dict[str, asyncio.Task[None]] = {}

    async def send(fragment: str = "", pressed: str = "", **texts: str) -> None:
        request = BackMsg()
        request.rerun_script.query_string = f"lesson={browser.exercise}"
        request.rerun_script.fragment_id, request.rerun_script.is_auto_rerun = fragment, bool(fragment)
        if browser.page:
            request.rerun_script.page_script_hash = browser.page
        else:
            request.rerun_script.page_name = "learn"
        for key, text in texts.items():
            request.rerun_script.widget_states.widgets.add(id=browser.widget(key.replace("_", "-")), string_value=text)
        if pressed:
            request.rerun_script.widget_states.widgets.add(id=browser.widget(pressed), trigger_value=True)
        await socket.send(request.SerializeToString())

    async def repeat(fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await send(fragment)

    async def react() -> None:
        """Do the next step that the page which has just run allows."""
        train = f"train-{browser.exercise}"
        if browser.widget("class-enter") and ENTERED not in browser.stages:
            await send(pressed="class-enter", nickname=f"Student {browser.number}", class_code=CODE)
            browser.stages[ENTERED] = -1.0
        elif browser.widget(train) and browser.stages.get(ENTERED) == -1.0:
            browser.stages[ENTERED] = time.perf_counter() - browser.begin
            label = prediction_label(EXERCISES[browser.exercise].metric, browser.prediction)
            await send(**{f"prediction-{browser.exercise}".replace("-", "_"): label})
            browser.stages[STARTED] = -1.0
        elif browser.stages.get(STARTED) == -1.0:
            browser.stages[STARTED] = time.perf_counter() - browser.begin
            await send(pressed=train)

    try:
        async with connect_session(url) as socket:
            await send()
            async for content in socket:
                browser.received += len(content)
                message = ForwardMsg.FromString(content)
                match message.WhichOneof("type"):
                    case "navigation":
                        browser.page = message.navigation.page_script_hash
                    case "auto_rerun":
                        name = message.auto_rerun.fragment_id
                        if name not in timers:
                            timers[name] = asyncio.create_task(repeat(name, message.auto_rerun.interval))
                    case "script_finished" if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                        await react()
                    case "delta":
                        _read(browser, message.delta.new_element)
                if JUDGED in browser.stages:
                    return
    finally:
        for timer in timers.values():
            timer.cancel()


def _read(browser: Browser, element: Any) -> None:
    """Note the element's id, and the verdict or another person's prediction in its text."""
    kind = element.WhichOneof("type")
    content = getattr(element, kind) if kind else None
    if name := getattr(content, "id", ""):
        browser.widgets[name] = kind
    text = str(getattr(content, "body", ""))
    if kind == "exception" or (kind == "alert" and STARTED in browser.stages):
        browser.errors.append(f"{browser.number}: {kind} {text or content}"[:200])
    if STATEMENT in text:
        if f"{STATEMENT}{browser.word}." not in text:
            browser.errors.append(f"{browser.number} received the prediction of another: {text[:100]}")
        browser.stages[JUDGED] = time.perf_counter() - browser.begin


if __name__ == "__main__":
    main()
