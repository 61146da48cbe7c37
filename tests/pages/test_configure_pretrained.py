"""Networks of timm on the Configure page: the table says where their weights are, a button fetches them, and Start never does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision import models

from cnn_core.models.pretrained_table import INSTALLED_NETWORK, NETWORKS, PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.weights_fetch import NOT_FETCHED
from cnn_core.models.weights_source import OTHER_CLASSES, describe_absence, file_sha256, find_place, read_record
from pages.shared.refusal import NOTHING_STARTED
from pages.shared.text import plain
from pages.views.configure.pretrained import FETCH_KEY, HERE, STATES, TO_FETCH
from tests.models.timm_weights import SMALL, Hub, write_weights
from tests.pages.form import fill, press_start

LARGE = "resnet50.a1_in1k"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that answers as the Hugging Face hub does, and an empty cache."""
    import huggingface_hub.constants as constants

    served = Hub(write_weights(tmp_path / "published.safetensors").read_bytes())
    address = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, served.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield served
    served.close()


def begins(text: str, message: str) -> bool:
    return message.partition("{")[0] in text


def fetch_buttons(at):
    return [button for button in at.button if button.key == FETCH_KEY]


def test_the_table_shows_where_the_weights_are_and_the_chosen_network_s_state_stands_above_the_form(empty, open_page, hub):
    first = next(iter(NETWORKS))
    write_weights(empty.home.weights / f"{first}.safetensors")
    at = fill(open_page("configure"), model="timm")
    assert any(begins(text.value, HERE) and first in text.value for text in at.caption) and not fetch_buttons(at)
    at.session_state["networks"] = True
    at.run()
    table = at.dataframe[-1].value.set_index("Name")
    places = {INSTALLED_NETWORK.name: "installed", first: "here", LARGE: "", "mobilenet": ""}
    assert list(table.index) == list(PRETRAINED) and all(
        table["Weights"][name] == STATES[place] for name, place in places.items()
    )
    assert list(table["Parameters"]) == [network.parameters for network in PRETRAINED.values()]
    fill(at, timm_name=LARGE)
    assert any(begins(text.value, TO_FETCH) and LARGE in text.value for text in at.info) and fetch_buttons(at)
    assert not at.exception and hub.paths == []


def test_start_fetches_nothing_and_says_where_the_weights_can_come_from(empty, open_page, hub):
    at = press_start(fill(open_page("configure"), model="timm"))
    absence = describe_absence(next(iter(NETWORKS)), empty.home)
    assert [error.value for error in at.error] == [f"{NOTHING_STARTED} {plain(absence)}"]
    assert hub.paths == [] and not empty.runs() and fetch_buttons(at)


def test_a_fetch_without_a_network_is_told_and_one_with_it_lets_the_run_start(empty, open_page, hub):
    at = open_page("configure", model="timm", timm_name=SMALL)
    hub.status = 503
    at.button(key=FETCH_KEY).click().run()
    assert [begins(error.value, NOT_FETCHED) for error in at.error] == [True] and find_place(SMALL, empty.home) == ""
    hub.status = 200
    at.button(key=FETCH_KEY).click().run()
    assert not at.error and any(begins(text.value, HERE) for text in at.caption) and not fetch_buttons(at)
    record = read_record(empty.home.weights / f"{SMALL}.safetensors")
    assert record and record.sha256 == hub.tag
    press_start(at)
    assert not at.error and [run.config.timm_name for run in empty.runs()] == [SMALL]


def test_a_name_that_timm_does_not_have_is_refused_below_its_field_with_the_closest(empty, open_page, hub):
    at = open_page("configure", model="timm", timm_name=SMALL.replace("efficientnet", "eficientnet"))
    assert [plain(SMALL) in error.value for error in at.error] == [True] and not at.exception


def test_weights_of_torchvision_are_fetched_with_the_same_button_and_never_at_start(empty, open_page, hub, tmp_path, monkeypatch):
    torch.manual_seed(1)
    torch.save(models.mobilenet_v3_small(num_classes=7).state_dict(), tmp_path / "seven.pth")
    hub.content = (tmp_path / "seven.pth").read_bytes()
    hub.sent, tag = len(hub.content), file_sha256(tmp_path / "seven.pth")
    address = f"{hub.url}/models/mobilenet_v3_small-{tag[:8]}.pth"
    monkeypatch.setitem(PRETRAINED, "mobilenet", replace(PRETRAINED["mobilenet"], url=address))
    at = press_start(open_page("configure", model="mobilenet", weights="pretrained"))
    absence = describe_absence("mobilenet", empty.home)
    assert [error.value for error in at.error] == [f"{NOTHING_STARTED} {plain(absence)}"] and address in absence
    title = TORCHVISION_NETWORKS["mobilenet"].title
    assert any(begins(text.value, TO_FETCH) and title in text.value for text in at.info) and hub.paths == [] and not empty.runs()
    at.button(key=FETCH_KEY).click().run()
    assert not at.error and not fetch_buttons(at)
    assert any(begins(text.value, HERE) and OTHER_CLASSES.format(count=7) in text.value for text in at.caption)
    record = read_record(empty.home.weights / "mobilenet.pth")
    assert record and record.sha256 == tag
    press_start(at)
    assert not at.error and [run.config.model for run in empty.runs()] == ["mobilenet"]
