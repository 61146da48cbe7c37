"""Text from outside on a page: shown letter for letter in a real browser's Markdown."""

import re

import pytest

from cnn_core.models.pretrained_table import PRETRAINED
from cnn_core.models.weights_source import published_file
from pages.shared.text import WORD_JOINER, plain

HOSTILE = (
    "[click](javascript:alert(1)) ![i](//evil.example/x.png)",
    "http://evil.example HTTPS://evil.example www.evil.example",
    ":red[x] :blue-background[x] :badge[x] a:red b:c",
    ":material/home:",
    "__proto__ _a_ *b* ~c~ ~~d~~ **e**",
    "<b>f</b> &lt;g&gt; `h` $i$ \\*j",
)
USUAL = ("learning_rate=0.003", "0:0.1, 0.3:1, 1:0", "/data/my_cats.zip", "C:/cats", "T-shirt/top", "Größe 1", "12:30")


@pytest.mark.parametrize("text", USUAL)
def test_usual_names_are_unchanged(text):
    assert plain(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_escaping_adds_marks_and_loses_nothing(text):
    assert re.sub(r"\\([^\w\s]|_)", r"\1", plain(text)).replace(WORD_JOINER, "") == text


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_address_of_weights_can_be_copied_from_a_message(name):
    file = published_file(name)
    address = file.url if file else pytest.fail(f"{name} has no address")
    message = plain(f"[Errno -2] Fetch the file {address}. Put it into /home/a_b.")
    assert f" `{address}`. " in message and WORD_JOINER not in message and message.startswith(r"\[Errno -2\]")
