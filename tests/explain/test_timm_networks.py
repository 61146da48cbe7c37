"""Networks of timm of every kind, explained: maps of convolutions and of tokens, Grad-CAM, dead channels, ablation, and the forward trace."""

from functools import cache

import numpy as np
import pytest
import torch
from captum.attr import LayerActivation, LayerGradientXActivation
from torch import nn

from cnn_core.errors import RunError
from cnn_core.explain.ablation import measure_ablation
from cnn_core.explain.feature_maps import compute_feature_maps, find_dead_channels, has_image_filters
from cnn_core.explain.forward_trace import UNTRACEABLE, trace_forward
from cnn_core.explain.grad_cam import raw_grad_cam
from cnn_core.explain.map_layers import find_map_layers, to_maps
from cnn_core.models.hooks import conv_layers, is_activation
from cnn_core.models.registry import build_model
from tests.explain.nets import Unchanged
from tests.explain.test_ablation import without_weights
from tests.explain.test_feature_maps import card_of, random_image_set
from tests.explain.test_forward_trace import assert_arithmetic
from tests.helpers import drain, is_a_sentence

SIDE, CLASSES = 64, 4
CLASS_TOKEN, RELATIVE, WINDOWS = "test_vit", "test_vit_relpos", "swin_tiny_patch4_window7_224"
TRANSFORMERS = (CLASS_TOKEN, "test_vit3", RELATIVE)
CONVOLUTIONAL = ("test_convnext", "test_resnet", "test_efficientnet", "test_nfnet", "test_byobnet")
POOLED_FIRST = "mobilenetv4_conv_small"  # its last convolution comes after the pooling over all positions


@cache
def network(name: str) -> nn.Module:
    """A network with drawn weights, in evaluation mode. Tests do not change it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model("timm", channels=3, image_size=SIDE, classes=CLASSES, timm_name=name).eval()
        nn.init.normal_(model.get_submodule("classifier.1").weight, std=0.5)
    return model


def images(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def outputs_of(model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    """The outputs of all layers that give a tensor, by name, in the order of the forward pass."""
    found: dict[str, torch.Tensor] = {}

    def keep(name: str, outputs: object) -> None:
        if isinstance(outputs, torch.Tensor):
            found.setdefault(name, outputs.detach().clone())

    hooks = [layer.register_forward_hook(lambda *a, name=name: keep(name, a[2])) for name, layer in model.named_modules()]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    return found


def as_maps(tokens: torch.Tensor, prefix: int) -> torch.Tensor:
    """Tokens (N, tokens, channels) as maps (N, channels, h, w), one position after the other."""
    side = round((tokens.shape[1] - prefix) ** 0.5)
    maps = torch.empty(len(tokens), tokens.shape[2], side, side)
    for place in range(side**2):
        maps[:, :, place // side, place % side] = tokens[:, prefix + place]
    return maps


@pytest.mark.parametrize("name", [*TRANSFORMERS, *CONVOLUTIONAL, POOLED_FIRST])
def test_layers_with_maps_are_found_in_the_order_in_which_they_work(name: str):
    model = network(name)
    with Unchanged(model):
        layers = find_map_layers(model, images(1))
    given = outputs_of(model, images(1))
    expected = [key for key in given if isinstance(model.get_submodule(key), nn.Conv2d)]
    convolutions = [layer for layer in layers if layer.kind == "convolution"]
    assert [layer.name for layer in convolutions] == expected
    assert all((layer.channels, layer.height, layer.width) == given[layer.name].shape[1:] for layer in convolutions)
    tokens = [layer for layer in layers if layer.kind == "tokens"]
    depth = len(model.backbone.blocks) if name in TRANSFORMERS else 0
    assert [layer.name for layer in tokens] == [f"backbone.blocks.{number}.norm1" for number in range(depth)]
    assert all(layer.positions == (SIDE // 16) ** 2 for layer in tokens)


def test_the_last_layer_with_maps_stands_before_the_pooling():
    layers = find_map_layers(network(POOLED_FIRST), images(1))
    assert layers[-1].positions == 1 and max(layer.positions for layer in layers[:-1]) > 1


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_grad_cam_of_tokens_is_that_of_captums_gradients_and_activations(name: str):
    model, batch, labels = network(name), images(2), torch.tensor([0, 3])
    for layer in (layer.name for layer in find_map_layers(model, batch[:1])[1:] if layer.name.endswith(("0.norm1", "5.norm1"))):
        with Unchanged(model):
            raw = raw_grad_cam(model, layer, batch, labels, is_activated=True)
        module, prefix = model.get_submodule(layer), model.backbone.num_prefix_tokens
        gradients = LayerGradientXActivation(model, module, multiply_by_inputs=False).attribute(batch, labels)
        tokens = LayerActivation(model, module).attribute(batch)
        weights = gradients[:, prefix:].mean(1, keepdim=True)
        expected = as_maps((weights * tokens).sum(2, keepdim=True).detach(), prefix)[:, 0]
        np.testing.assert_allclose(raw, expected, rtol=1e-3, atol=1e-4 * expected.abs().max())
        assert expected.std() > 0


def test_a_heatmap_of_windows_of_tokens_has_their_positions():
    """A Swin transformer gives (N, h, w, channels)."""
    with torch.device("meta"):
        model = build_model("timm", channels=3, image_size=224, classes=2, timm_name=WINDOWS)
    *_, last = find_map_layers(model, torch.empty(1, 3, 224, 224))
    assert (last.kind, last.channels, last.height, last.width) == ("tokens", 768, 7, 7)
    outputs = torch.randn(2, 3, 3, 5)
    torch.testing.assert_close(to_maps(outputs, nn.LayerNorm(5), 0), outputs.permute(0, 3, 1, 2))
    assert to_maps(torch.randn(2, 12, 5), nn.LayerNorm(5), 1) is None, "11 tokens are no square"


def test_tokens_that_are_not_in_the_order_of_the_rows_are_no_maps():
    with torch.device("meta"):
        model = build_model("timm", channels=3, image_size=224, classes=2, timm_name="hiera_tiny_224")
    assert {layer.kind for layer in find_map_layers(model, torch.empty(1, 3, 224, 224))} == {"convolution"}


@pytest.mark.parametrize("name", [CLASS_TOKEN, *CONVOLUTIONAL])
def test_feature_maps_are_the_outputs_of_convolutions_activations_and_tokens(name: str):
    model = network(name)
    with Unchanged(model):
        maps = compute_feature_maps(model, images(1))
    given, found = outputs_of(model, images(1)), {layer.name: layer for layer in maps}
    kinds = {layer.kind for layer in maps}
    assert {"convolution", "activation"} <= kinds and ("tokens" in kinds) == (name == CLASS_TOKEN)
    active = [key for key in given if is_activation(model.get_submodule(key)) and given[key].ndim > 2]
    assert [layer.name for layer in maps if layer.kind == "activation" and "(" not in layer.name] == active
    for key, layer in found.items():
        if key in given and given[key].ndim == 3:
            torch.testing.assert_close(layer.outputs, as_maps(given[key], 1))
        elif key in given and layer.kind == "convolution":
            torch.testing.assert_close(layer.outputs, given[key])
    assert has_image_filters(model, 3)


def test_dead_channels_of_a_transformer_are_hidden_units_not_tokens():
    torch.manual_seed(1)
    model = build_model("timm", channels=3, image_size=SIDE, classes=CLASSES, timm_name=CLASS_TOKEN).eval()
    with torch.no_grad():
        model.get_submodule("backbone.blocks.2.mlp.fc1").bias[[1, 5]] = -1e6
    _, rows = drain(find_dead_channels(model, card_of(side=SIDE), random_image_set(4, side=SIDE)))
    hidden = model.get_submodule("backbone.blocks.2.mlp.fc1").out_features
    assert [row.channels for row in rows] == [hidden] * 6
    assert {1, 5} <= set(next(row for row in rows if row.layer == "backbone.blocks.2.mlp.act").dead.tolist())


@pytest.mark.parametrize("name", [CLASS_TOKEN, "test_nfnet"])
def test_a_channel_of_the_first_convolution_switched_off_is_zero_for_what_follows(name: str):
    model, sample = network(name), random_image_set(3, side=SIDE)
    first = next(iter(conv_layers(model)))
    with Unchanged(model):
        _, result = drain(measure_ablation(model, card_of(side=SIDE), sample, first, [0, 2]))
    if name == CLASS_TOKEN:  # other weights are standardised
        _, expected = drain(measure_ablation(without_weights(model, first, [0, 2]), card_of(side=SIDE), sample, first, []))
        np.testing.assert_allclose(result.after, expected.before, atol=1e-4)
    assert np.abs(result.before - result.after).max() > 1e-6


@pytest.mark.parametrize("name", [*CONVOLUTIONAL, "test_convnext2"])
def test_every_step_of_a_convolutional_network_is_its_operation(name: str):
    model, image = network(name), images(1)
    steps = trace_forward(model, image)
    assert_arithmetic(steps, name)
    assert_arithmetic(trace_forward(model, image[..., :44, :44]), f"{name}, maps with odd sides")
    with torch.no_grad():
        np.testing.assert_allclose(steps[-1].output.ravel(), model(image).softmax(1)[0].numpy(), atol=1e-6)
    assert "rearrangement" not in {step.kind for step in steps}, "values are computed in every step"


@pytest.mark.parametrize("name", [*TRANSFORMERS, "convnextv2_atto", "test_efficientnet_evos", "densenet121"])
def test_a_network_with_other_operations_has_no_steps_but_a_sentence(name: str):
    model = network(name)
    with Unchanged(model), pytest.raises(RunError) as refused:
        trace_forward(model, images(1))
    assert refused.value.args[0] == UNTRACEABLE and is_a_sentence(refused.value)
