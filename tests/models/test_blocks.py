"""A model as blocks: their parameters and shapes are those of the model that is trained."""

import pytest
import torch
from torch import nn

from cnn_core.errors import SettingError
from cnn_core.models.blocks import NetworkBlock, describe_blocks, trace_blocks
from cnn_core.models.registry import FAMILIES, build_model, count_trainable

SHAPE = {"channels": 3, "image_size": 32, "classes": 7}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_blocks_have_all_parameters_of_the_model_and_end_with_the_classes(name):
    blocks = describe_blocks(name, **SHAPE)
    with torch.device("meta"):
        model = build_model(name, **SHAPE)
    assert sum(block.parameters for block in blocks) == count_trainable(model)
    assert blocks[-1].kind == "linear layer" and blocks[-1].shape == (7,) and 5 <= len(blocks) <= 12


def test_the_blocks_of_simple_cnn_follow_its_settings():
    def convolution(channels, side, parameters):
        return NetworkBlock("convolution 3×3", ("max pooling", "batch norm", "GELU"), (channels, side, side), parameters)

    blocks = describe_blocks("simple", **SHAPE, depth=2, width=0.5, activation="gelu", batch_norm=True, dropout=0.3)
    assert blocks == (
        convolution(16, 16, 3 * 16 * 9 + 2 * 16),
        convolution(32, 8, 16 * 32 * 9 + 2 * 32),
        NetworkBlock("linear layer", ("GELU",), (96,), 32 * 8 * 8 * 96 + 96),
        NetworkBlock("linear layer", ("GELU",), (48,), 96 * 48 + 48),
        NetworkBlock("linear layer", (), (7,), 48 * 7 + 7),
    )


def test_residual_blocks_of_one_shape_are_one_block_with_a_count():
    found = [(block.kind, block.shape, block.repeats) for block in describe_blocks("resnet20", **SHAPE)]
    stages = [("residual block", (16 * 2**stage, 32 // 2**stage, 32 // 2**stage), 3) for stage in range(3)]
    ends = [("mean pooling", (64, 1, 1), 1), ("linear layer", (7,), 1)]
    assert found == [("convolution 3×3", (16, 32, 32), 1), *stages, *ends]


def test_a_model_that_cannot_be_built_is_refused_as_when_it_is_trained():
    with pytest.raises(SettingError) as refused:
        describe_blocks("simple", **SHAPE, depth=6)
    assert refused.value.field == "depth"


def test_equal_layers_are_not_merged_and_the_model_keeps_no_hooks():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU())
    assert [block.repeats for block in trace_blocks(model, torch.zeros(1, 3, 4, 4))] == [1, 1]
    assert not any(module._forward_hooks for module in model.modules())
