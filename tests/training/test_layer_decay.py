"""Layer decay: each block's learning rate is that of the next one times the decay, with every optimizer, as timm's own groups have it."""

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import choices
from cnn_core.training.layer_decay import decay_learning_rates
from cnn_core.training.optimizer import ConvMuon, Optimizers, make_optimizer

DECAY = 0.5


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "vit":
        return timm.create_model("vit_tiny_patch16_224", depth=3, embed_dim=24, num_heads=2, img_size=32, num_classes=3)
    return timm.create_model("resnet10t", num_classes=3)


def rates_of(optimizers: Optimizers, model: nn.Module) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {}
    for part in optimizers.parts:
        for group in part.param_groups:
            for parameter in group["params"]:
                original = part.originals[parameter] if isinstance(part, ConvMuon) else parameter
                rates[names[id(original)]] = group.get("rate", 1.0)
    return rates


@pytest.mark.parametrize(("name", "head"), [("vit", "head"), ("resnet", "fc")])
@pytest.mark.parametrize("optimizer", choices("optimizer"))
def test_rates_fall_from_block_to_block_as_in_timm(name: str, head: str, optimizer: str):
    model = network(name)
    groups = param_groups_layer_decay(model, layer_decay=DECAY)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    theirs = {names[id(parameter)]: group["lr_scale"] for group in groups for parameter in group["params"]}
    config = make_config(optimizer=optimizer, adam_rate=1.0)
    optimizers = make_optimizer(config, model)
    decay_learning_rates(optimizers, model, head, DECAY)
    mine = rates_of(optimizers, model)
    assert mine == pytest.approx(theirs) and len({*mine.values()}) > 4 and mine[f"{head}.weight"] == 1


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_a_step_moves_each_block_at_its_own_rate(optimizer: str):
    config = make_config(optimizer=optimizer, learning_rate=0.01, momentum=0, nesterov=False, weight_decay=0)
    moved = []
    for decay in (1.0, DECAY):
        model = network("resnet")
        optimizers = make_optimizer(config, model)
        decay_learning_rates(optimizers, model, "fc", decay)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        optimizers.set_learning_rate(0.01)
        generator = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizers.step()
        moved.append({name: parameter.detach() - before[name] for name, parameter in model.named_parameters()})
    for name, factor in {"layer4.0.conv1.weight": DECAY, "layer2.0.conv2.weight": DECAY**3, "fc.weight": 1.0}.items():
        torch.testing.assert_close(moved[1][name], moved[0][name] * factor, rtol=1e-3, atol=1e-6)
