"""An image's passage through every family: each step, computed anew from what went into it, is what the network computed."""

import math

import numpy as np
import pytest
import torch

from cnn_core.explain.arithmetic import Activation, Affine, Elementwise, Pooling, Rearrangement, Softmax, WeightedSum
from cnn_core.explain.forward_trace import trace_forward
from cnn_core.models.registry import FAMILIES
from tests.explain.nets import Unchanged, network, random_images

FUNCTIONS = {
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "GELU": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "GELUTanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "SiLU": lambda x: x / (1 + np.exp(-x)),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "Hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
}


def compute(step, inputs):
    """The step's output by its operation alone, in float64, or None where it computes nothing. Of many channels a few are computed."""
    operation, first = step.operation, inputs[0].astype(np.float64)
    if isinstance(operation, WeightedSum):
        sums = [operation.partial_sums(first, channel).sum(0) for channel in channels_of(step)]
        return np.stack(sums) + operation.bias[channels_of(step), None, None]
    if isinstance(operation, Pooling):
        take = np.max if operation.is_max else np.mean
        _, height, width = first.shape
        rows = [[y for y in window if 0 <= y < height] for window in operation.windows.rows]  # without padding
        columns = [[x for x in window if 0 <= x < width] for window in operation.windows.columns]
        return np.stack([[take(first[:, ys][:, :, xs], (1, 2)) for xs in columns] for ys in rows]).transpose(2, 0, 1)
    if isinstance(operation, Affine):
        return operation.scale * first + operation.shift
    if isinstance(operation, Activation):
        return FUNCTIONS[step.word](first)
    if isinstance(operation, Elementwise):
        return first + inputs[1] if operation.is_sum else first * inputs[1]
    if isinstance(operation, Softmax):
        return np.exp(first) / np.exp(first).sum()
    assert isinstance(operation, Rearrangement)
    return None


def channels_of(step):
    return range(0, len(step.output), max(1, len(step.output) // 3)) if isinstance(step.operation, WeightedSum) else slice(None)


def assert_arithmetic(steps, network_name):
    """Every step, computed from what went into it by its operation alone, is what the network computed."""
    for number, step in enumerate(steps[1:], 1):
        assert all(source < number for source in step.sources)
        expected = compute(step, [steps[source].output for source in step.sources])
        if expected is not None:
            shown = step.output[list(channels_of(step))] if isinstance(step.operation, WeightedSum) else step.output
            np.testing.assert_allclose(
                shown, expected, rtol=1e-4, atol=1e-5, err_msg=f"{network_name} {number} {step.name} {step.word}"
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_step_is_its_operation_on_what_went_in(family):
    assert_arithmetic(trace_forward(network(family), random_images(1)), family)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_passage_begins_with_the_image_and_ends_with_the_networks_answer(family):
    model, image = network(family), random_images(1)
    with Unchanged(model):
        steps = trace_forward(model, image)
    np.testing.assert_array_equal(steps[0].output, image[0].numpy())
    with torch.no_grad():
        np.testing.assert_allclose(steps[-1].output.ravel(), model(image).softmax(1)[0].numpy(), atol=1e-6)


def test_steps_have_the_names_of_their_modules_and_shortcuts_know_what_is_added():
    steps = trace_forward(network("resnet20"), random_images(1))
    block = [(step.name, step.kind) for step in steps if step.name.startswith("layer1.0")]
    assert block == [
        ("layer1.0.conv1", "convolution"),
        ("layer1.0.bn1", "norm"),
        ("layer1.0.activation", "activation"),
        ("layer1.0.conv2", "convolution"),
        ("layer1.0.bn2", "norm"),
        ("layer1.0", "addition"),
        ("layer1.0.activation", "activation"),
    ]
    addition = next(step for step in steps if step.kind == "addition")
    assert [steps[source].name for source in addition.sources] == ["layer1.0.bn2", "activation"]
    assert {step.word for step in steps if step.kind == "rearrangement"} == {"subsampling", "zero padding"}


def test_a_linear_layer_behind_maps_has_a_kernel_that_covers_them():
    steps = trace_forward(network("simple"), random_images(1))
    first = next(step for step in steps if step.kind == "linear")
    maps = steps[first.sources[0]].output
    assert first.operation.weights.shape == (len(first.output), *maps.shape) and maps.shape[1:] == (4, 4)
    assert first.operation.windows.rows == ((0, 1, 2, 3),)


def test_a_passage_hears_its_own_thread_only():
    """Another session's network works meanwhile, and is not in it."""
    from concurrent.futures import ThreadPoolExecutor

    models = [network("simple", seed=seed) for seed in (1, 2)]
    alone = [trace_forward(model, random_images(1)) for model in models]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda model: trace_forward(model, random_images(1)), models * 5))
    for number, steps in enumerate(together):
        assert len(steps) == len(alone[number % 2])
        np.testing.assert_array_equal(steps[-1].output, alone[number % 2][-1].output)
