"""Progress in a terminal: a line for every epoch, a bar only where somebody watches."""

import io

from cnn_core.cli.console import BEST, Console
from cnn_core.data.importer import READING
from cnn_core.events import Epoch, Event, Note, Progress, Started, Steps
from tests.helpers import tells

NOTE = "Left out: a.png is damaged."
STORY: list[Event] = [
    Progress(READING, 500, 2000),
    Note(NOTE),
    Started(506_154, "CPU, 2 threads", 900, 100, 200, 10, 2),
    Steps(1, 5, 320, (2.3,) * 5, (0.1,) * 5, 0.001, 1234.0, 0.5, 0.5, 1_700_000_000.0),
    Epoch(1, 10, 2.25, 0.125, 2.1, 0.25, True, 1.0, 1.1),
    Steps(2, 15, 960, (1.3,) * 5, (0.1,) * 5, 0.001, 1234.0, 1.5, 1.6, 1_700_000_001.0),
    Epoch(2, 20, 1.25, 0.5, 1.5, 0.5, False, 2.0, 2.2),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(out: io.StringIO) -> str:
    console = Console(out)
    for event in STORY:
        console.show(event)
    console.close()
    return out.getvalue()


def test_a_log_file_gets_a_line_for_the_start_every_note_and_every_epoch_and_no_bars():
    note, start, first, second = printed(io.StringIO()).splitlines()
    assert tells(start, "506,154", "900", "100", "200")
    assert note == NOTE
    assert "epoch   1" in first and "25.0%" in first and BEST in first
    assert "epoch   2" in second and "50.0%" in second and BEST not in second


def test_a_terminal_gets_a_bar_with_pace_and_time_left_which_is_wiped_at_the_end():
    text = printed(Terminal())
    frames = text.split("\r\033[K")
    assert any("25%" in frame and f"{READING} 500/2,000" in frame for frame in frames)
    assert any("75%" in frame and "1,234 images/s" in frame and "0:01 left" in frame for frame in frames)
    assert text.endswith("\r\033[K")
