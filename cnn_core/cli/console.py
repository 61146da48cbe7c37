"""A run's progress in a terminal: a bar that redraws itself, or one line per epoch where standard error is no terminal."""

import shutil
import sys
import time
from collections.abc import Generator
from typing import TextIO, TypeVar

from cnn_core.events import Epoch, Event, Note, Progress, Started, Steps
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History

BAR = 24
WAIT_SECONDS = 0.2
Result = TypeVar("Result")


def follow(steps: Generator[Progress, None, Result]) -> Result:
    """Run `steps` to their end, showing on a terminal how far they are; gives their value."""
    console = Console()
    try:
        while True:
            console.show(next(steps))
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
        console.close()


class Console:
    """Shows events on `out`, by default the standard error of the moment, as they come; `is_brief`: only by the bar."""

    def __init__(self, out: TextIO | None = None, *, is_brief: bool = False) -> None:
        self._out = out or sys.stderr
        self._is_live = self._out.isatty()
        self._history = History()
        self._has_waited = False
        self._is_brief = is_brief

    def wait(self) -> None:
        """It is another run's turn: say so once, and let a moment pass."""
        if not self._has_waited:
            self.say("Waiting: another run has the device, or is before this one in the queue.")
            self._has_waited = True
        time.sleep(WAIT_SECONDS)

    def show(self, event: Event) -> None:
        self._history.add([StoredEvent(self._history.seq + 1, event)])
        if self._is_brief and not isinstance(event, (Progress, Steps)):
            return
        match event:
            case Started():
                self.say(
                    f"{event.parameters:,} parameters on {event.device}; {event.train_count:,} training, {event.val_count:,} validation, {event.test_count:,} test images"
                )
            case Note():
                self.say(event.text)
            case Progress():
                self._redraw(event.done / max(event.total, 1), f"{event.stage} {event.done:,}/{event.total:,}")
            case Steps():
                self._redraw(self._share_done(), self._pace(event))
            case Epoch():
                best = "  best so far" if event.is_best else ""
                self.say(
                    f"epoch {event.epoch:>3}  loss {event.train_loss:.3f}  accuracy {event.train_accuracy:.1%}  "
                    f"validation loss {event.val_loss:.3f}  accuracy {event.val_accuracy:.1%}{best}"
                )

    def close(self) -> None:
        """Wipe the bar."""
        if self._is_live:
            self._out.write("\r\033[K")
            self._out.flush()

    def _share_done(self) -> float:
        started, last = self._history.started, self._history.last
        return last.step / (started.steps_per_epoch * started.epochs) if started and last else 0.0

    def _pace(self, steps: Steps) -> str:
        left = self._history.seconds_left or 0
        return f"epoch {steps.epoch}  loss {steps.loss[-1]:.3f}  {steps.images_per_second:,.0f} images/s  {left // 60:.0f}:{left % 60:02.0f} left"

    def say(self, text: str) -> None:
        """Add a line above the bar."""
        self.close()
        print(text, file=self._out, flush=True)

    def _redraw(self, share: float, text: str) -> None:
        if self._is_live:
            filled = round(BAR * share)
            line = f"[{'█' * filled}{'·' * (BAR - filled)}] {share:4.0%}  {text}"
            self._out.write("\r\033[K" + line[: shutil.get_terminal_size().columns - 1])
            self._out.flush()
