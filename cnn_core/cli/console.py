"""Progress in a terminal: a progress bar on one line, or one line per epoch where standard error is not a terminal."""

import contextlib
import shutil
import sys
import time
from collections.abc import Generator
from typing import TextIO, TypeVar

from cnn_core.config.schema import title
from cnn_core.events import Epoch, Event, Note, Progress, StageStarted, Started, Steps
from cnn_core.runs.chart_columns import describe_trained
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.text import counted, format_loss

BAR = 24
WAIT_SECONDS = 0.2
BEST = "best so far"
WAITING = "Waiting: another run uses the device or comes earlier in the queue."
Result = TypeVar("Result")


def run_with_progress(steps: Generator[Progress, None, Result]) -> Result:
    """Run `steps` to the end, show their progress, and return their value."""
    console = Console()
    try:
        while True:
            console.show(next(steps))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        steps.close()
        console.close()


class Console:
    """Shows events on `out` (by default standard error) as they arrive; `is_brief`: only the progress bar."""

    def __init__(self, out: TextIO | None = None, *, is_brief: bool = False) -> None:
        self._out = out or sys.stderr
        self._is_live = self._out.isatty()
        self._history = History()
        self._has_waited = False
        self._is_brief = is_brief

    def wait(self) -> None:
        """Print once that the run waits for another one, and sleep for a moment."""
        if not self._has_waited:
            self.print_line(WAITING)
            self._has_waited = True
        time.sleep(WAIT_SECONDS)

    def show(self, event: Event) -> None:
        """Show one event."""
        self._history.add([StoredEvent(self._history.seq + 1, event)])
        if self._is_brief and not isinstance(event, (Progress, Steps)):
            return
        match event:
            case Started():
                self.print_line(
                    f"{event.parameters:,} parameters on {event.device}; {event.train_count:,} training, {event.val_count:,} validation and {counted(event.test_count, 'test image')}"
                )
            case StageStarted():
                stage = describe_trained(event)
                self.print_line(f"{title('train').lower()}: {stage['text'].lower()}, {stage['detail']}")
            case Note():
                self.print_line(event.text)
            case Progress():
                self._redraw(event.done / max(event.total, 1), f"{event.stage} {event.done:,}/{event.total:,}")
            case Steps():
                self._redraw(self._fraction_done(), self._pace(event))
            case Epoch():
                best = f"  {BEST}" if event.is_best else ""
                self.print_line(
                    f"epoch {event.epoch:>3}  loss {format_loss(event.train_loss, 3)}  accuracy {event.train_accuracy:.1%}  "
                    f"validation loss {format_loss(event.val_loss, 3)}  accuracy {event.val_accuracy:.1%}{best}"
                )

    def close(self) -> None:
        """Erase the progress bar."""
        if self._is_live:
            self._write("\r\033[K")

    def _fraction_done(self) -> float:
        started, last = self._history.started, self._history.last
        return last.step / (started.steps_per_epoch * started.epochs) if started and last else 0.0

    def _pace(self, steps: Steps) -> str:
        left = self._history.seconds_left or 0
        return f"epoch {steps.epoch}  loss {format_loss(steps.loss[-1], 3)}  {steps.images_per_second:,.0f} images/s  {left // 60:.0f}:{left % 60:02.0f} left"

    def print_line(self, text: str) -> None:
        """Print a line above the progress bar."""
        self.close()
        self._write(f"{text}\n")

    def _redraw(self, fraction: float, text: str) -> None:
        if self._is_live:
            filled = round(BAR * fraction)
            line = f"[{'█' * filled}{'·' * (BAR - filled)}] {fraction:4.0%}  {text}"
            self._write("\r\033[K" + line[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the reader of a pipe has ended, as `head` does: training continues
            self._out.write(text)
            self._out.flush()
