"""The blocks of a network: every parameter in one of them, in the order in which images pass, for timm's networks and for those without its groups."""

import pytest
import timm
import torch
from torch import nn

from cnn_core.models.layer_groups import find_blocks, frozen_modules, learning_names
from cnn_core.models.registry import FAMILIES, build_model

NETWORKS = {  # a network of timm: its head, and how many residual blocks or transformer layers it has
    "tf_efficientnet_lite0": ("classifier", 16),
    "resnet18": ("fc", 8),
    "vit_tiny_patch16_224": ("head", 12),
    "convnextv2_atto": ("head.fc", 12),
    "mobilenetv4_conv_small": ("classifier", 17),
}


def timm_network(name: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, num_classes=3)


class Wrapped(nn.Module):
    """A network of timm inside another one, with a head of its own."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(4, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stem_and_every_residual_block_or_transformer_layer_is_a_block(name: str):
    model, (head, count) = timm_network(name), NETWORKS[name]
    blocks = find_blocks(model, head)
    assert len(blocks) == count + 1
    parameters = {name for name, _ in model.named_parameters()}
    assert sorted(name for block in blocks for name in block) == sorted(n for n in parameters if not n.startswith(f"{head}."))
    first = next(name for name, parameter in model.named_parameters() if parameter.ndim == 4)
    assert first in blocks[0]


@pytest.mark.parametrize("name", ["resnet18", "convnextv2_atto", "mobilenetv4_conv_small"])
def test_a_network_within_another_one_has_the_same_blocks(name: str):
    bare = find_blocks(timm_network(name), NETWORKS[name][0])
    with torch.device("meta"):
        backbone = timm.create_model(name, num_classes=0)
    inside = find_blocks(Wrapped(backbone), "head")
    assert inside == [[f"backbone.{name}" for name in block] for block in bare]


@pytest.mark.parametrize("family", [family for family in FAMILIES.values() if "weights" in family.options], ids=lambda f: f.name)
def test_every_family_that_takes_weights_has_blocks_from_its_first_layer_to_its_head(family):
    with torch.device("meta"):
        model = build_model(family.name, channels=3, image_size=32, classes=3)
    blocks = find_blocks(model, family.head)
    names = [name for name, _ in model.named_parameters()]
    assert [name for block in blocks for name in block] == [n for n in names if not n.startswith(f"{family.head}.")]
    assert len(blocks) > 5 and all(blocks)


def test_the_last_blocks_learn_with_the_head_and_the_others_are_frozen():
    model = timm.create_model("resnet10t", num_classes=3)  # a stem and four blocks
    assert {name.partition(".")[0] for name in learning_names(model, "fc", 0)} == {"fc"}
    names = learning_names(model, "fc", 2)
    assert {name.partition(".")[0] for name in names} == {"layer3", "layer4", "fc"}
    assert learning_names(model, "fc", None) == learning_names(model, "fc", 99) == {name for name, _ in model.named_parameters()}
    frozen = frozen_modules(model, names)
    assert model.bn1 in frozen and model.layer2 in frozen and model.layer2[0].bn1 in frozen
    assert not {model, model.layer3, model.layer4[0].bn1, model.fc} & {*frozen}
