"""Networks of timm, exported: a file of weights that is imported, and the generated script, predict what the run's model predicts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.data.source import finish
from cnn_core.export.card import ExportCard, NetworkOptions
from cnn_core.export.model_import import import_model
from cnn_core.export.script import FROM_HUB, training_script
from cnn_core.export.weights import SavedWeights, write_safetensors
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import model_key
from cnn_core.models.saving import save_card, save_weights
from cnn_core.runs.store import Store
from tests.export.scripts import card_of, executed
from tests.models.timm_weights import published, write_weights

NETWORKS = ("test_vit.r160_in1k", "test_convnext.r160_in1k", "test_resnet.r160_in1k", "test_efficientnet.r160_in1k")
SIDE = 64


@pytest.mark.parametrize("name", NETWORKS)
def test_an_imported_file_and_the_script_s_network_predict_what_the_model_predicts(tmp_path: Path, store: Store, name: str):
    weights = write_weights(tmp_path / "weights.safetensors", name)
    config = make_config(data="own", model="timm", timm_name=name, weights=str(weights), train="blocks", device="cpu")
    card = card_of(config, image_size=SIDE)
    torch.manual_seed(5)
    save_card(tmp_path, card)
    save_weights(tmp_path, card.build(str(weights)))
    saved = Classifier(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)

    facts = {field: value for field, value in card if field != "options"}
    exported = ExportCard(run="0001-x", network=model_key(tmp_path), options=NetworkOptions(**card.options), **facts)
    run = finish(import_model(store, write_safetensors(SavedWeights(b"", saved.model.state_dict(), exported)), None))
    imported = Classifier(store.home.run_folder(run))
    assert store.run(run).config.timm_name == name and imported.card == card
    np.testing.assert_array_equal(imported.logits(pixels), saved.logits(pixels))

    script = executed(config, card)
    network, normalise = script["build_model"](), script["Normalise"](script["MEAN"], script["STD"], torch.device("cpu"))
    own, theirs = network.state_dict(), published(name).state_dict()
    shared = [key for key in own if key.removeprefix("backbone.") in theirs and "pos_embed" not in key]  # adapted to the size
    assert shared and all(torch.equal(own[key], theirs[key.removeprefix("backbone.")]) for key in shared)
    network.load_state_dict(saved.model.state_dict())
    with torch.inference_mode():
        logits = network.eval()(normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    np.testing.assert_allclose(logits.numpy(), saved.logits(pixels), atol=1e-5)


def test_a_script_whose_weights_timm_downloads_says_which_file_the_run_read():
    config = make_config(data="own", model="timm", weights="pretrained")
    card = card_of(config).model_copy(update={"weights_sha256": "ab" * 32})
    said = FROM_HUB.format(library="timm", sha256=f" with the SHA-256 {card.weights_sha256}")
    assert said in training_script(config, card)
    embedded = make_config(model="efficientnet-lite0")
    assert FROM_HUB.partition("}")[2].partition("{")[0] not in training_script(embedded, card_of(embedded))
