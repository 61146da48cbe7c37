"""The help page of the endpoint."""

import pytest

from cnn_core.models.pretrained_table import NETWORKS
from cnn_core.models.registry import FAMILIES
from cnn_core.serving.help_page import help_text
from tests.models.test_saving import MODEL_CARD

IN_TABLE, TYPED = next(iter(NETWORKS)), "test_vit.r160_in1k"


@pytest.mark.parametrize(
    ("model", "options", "title"),
    [
        ("simple", {}, FAMILIES["simple"].title),
        ("timm", {"timm_name": TYPED}, TYPED),
        ("timm", {"timm_name": IN_TABLE}, NETWORKS[IN_TABLE].title),
    ],
)
def test_it_names_the_network_and_not_only_its_family(model: str, options: dict[str, str], title: str):
    card = MODEL_CARD.model_copy(update={"model": model, "options": options})
    first = help_text("0001-photos", card, 10**7, "localhost").partition("\n")[0]
    assert title in first.replace(",", ":").split(": ")
