"""Grad-CAM, against captum's and against arithmetic."""

import threading
import time

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from cnn_core.explain.grad_cam import grad_cam, raw_grad_cam
from cnn_core.explain.map_layers import find_map_layers
from cnn_core.models.hooks import conv_layers, hookable_copy
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import average_with_flipped
from tests.explain.nets import CLASSES, SIDE, Unchanged, network, random_images


def picked(names):
    """The first, a middle and the last."""
    names = list(names)
    return dict.fromkeys((names[0], names[len(names) // 2], names[-1]))


@pytest.mark.parametrize("family", FAMILIES)
def test_convolutions_are_named_in_the_order_in_which_they_work(family):
    model, order = network(family), []
    found = [layer.name for layer in find_map_layers(model, random_images(1))]
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, inputs, outputs, name=name: order.append(name))
    model(random_images(1))
    assert list(conv_layers(model)) == order == found
    assert all(model.get_submodule(name) is layer for name, layer in conv_layers(model).items())


@pytest.mark.parametrize("family", FAMILIES)
def test_raw_maps_are_captums_for_every_family(family):
    model, images, labels = network(family), random_images(3), torch.tensor([0, 3, 1])
    for name in picked(conv_layers(model)):
        with Unchanged(model):
            raw = raw_grad_cam(model, name, images, labels)
        theirs = LayerGradCam(model, model.get_submodule(name)).attribute(images, labels).detach()[:, 0].numpy()
        np.testing.assert_allclose(raw, theirs, rtol=1e-4, atol=1e-4 * max(1e-3, np.abs(theirs).max()), err_msg=name)
        assert np.abs(theirs).max() > 0


BEHIND = [  # a convolution, and the module whose output is its channels behind the activation
    ("simple", "features.1.0", "features.1.2"),
    ("resnet20", "layer2.1.conv2", "layer2.1"),
    ("resnet20", "layer3.0.conv1", None),
    ("efficientnet", "features.2.0.block.0.0", "features.2.0.block.0.2"),
    ("efficientnet", "features.2.0.block.3.0", "features.2.0.block.3.0"),  # no activation of its own follows
    ("convnext", "features.1.0.block.0", "features.1.0.block.0"),
]


@pytest.mark.parametrize(("family", "convolution", "behind"), BEHIND)
def test_maps_behind_the_activation_are_captums_of_what_gives_them(family, convolution, behind):
    model, images, labels = network(family), random_images(3), torch.tensor([0, 3, 1])
    if behind is None:  # a block uses one activation twice: the first use is given a module of its own
        block = model.get_submodule(convolution.rpartition(".")[0])
        block.bn1 = nn.Sequential(block.bn1, nn.ReLU()).eval()
        behind = convolution.replace("conv1", "bn1")
    with Unchanged(model):
        raw = raw_grad_cam(model, convolution, images, labels, is_activated=True)
    theirs = LayerGradCam(model, model.get_submodule(behind)).attribute(images, labels).detach()[:, 0].numpy()
    np.testing.assert_allclose(raw, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
    assert np.abs(theirs).max() > 0


def test_heatmaps_are_the_raw_ones_clipped_at_zero_enlarged_and_scaled():
    model, images, labels = network("resnet20"), random_images(4), np.array([0, 1, 2, 3])
    for name in picked(conv_layers(model)):
        heat, raw = grad_cam(model, name, images, labels), raw_grad_cam(model, name, images, labels)
        assert heat.shape == (4, SIDE, SIDE) and heat.dtype == np.float32 and heat.min() >= 0
        large = LayerGradCam.interpolate(torch.from_numpy(raw).relu()[:, None], (SIDE, SIDE), "bilinear")[:, 0].numpy()
        for shown, expected in zip(heat, large, strict=True):
            assert shown.max() == (1 if expected.max() > 0 else 0)
            np.testing.assert_allclose(shown * expected.max(), expected, rtol=1e-4, atol=1e-7)


def by_hand() -> nn.Module:
    """One 1×1 convolution onto two channels (the image and its negative), and classes that read their means with known weights."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        model[3].weight.copy_(torch.tensor([[3.0, 1.0], [-3.0, -1.0]]))
    return model


def test_a_map_worked_out_by_hand():
    image = torch.zeros(1, 1, 2, 2)
    image[0, 0, 0, 1] = 5.0
    # The logit of class 0 is 3·mean(image) − mean(image): each of the four positions has a gradient of 3/4 and 1/4.
    np.testing.assert_allclose(raw_grad_cam(by_hand(), "0", image, [0]), (image * (3 / 4 - 1 / 4))[:, 0])
    np.testing.assert_allclose(grad_cam(by_hand(), "0", image, [0]), [[[0, 1], [0, 0]]])


def test_a_map_in_which_nothing_speaks_for_the_class_stays_zero():
    image = torch.zeros(1, 1, 2, 2)
    image[0, 0, 0, 1] = 5.0
    assert raw_grad_cam(by_hand(), "0", image, [1]).min() < 0
    np.testing.assert_array_equal(grad_cam(by_hand(), "0", image, [1]), np.zeros((1, 2, 2)))


def test_a_model_with_flip_averaging_is_explained_for_the_unflipped_image():
    model, images, labels = network("simple"), random_images(2), torch.tensor([1, 2])
    expected = {name: raw_grad_cam(model, name, images, labels) for name in conv_layers(model)}
    model.register_forward_hook(average_with_flipped)
    for name, maps in expected.items():
        with Unchanged(model):
            np.testing.assert_array_equal(raw_grad_cam(model, name, images, labels), maps)


def test_many_images_are_the_same_as_one_by_one():
    model, images, labels = network("speed"), random_images(40), np.arange(40) % CLASSES
    together = grad_cam(model, "groups.2.4", images, labels)
    for index in (0, 31, 32, 39):
        alone = grad_cam(model, "groups.2.4", images[index : index + 1], labels[index : index + 1])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-3)


def test_it_works_where_gradients_are_off_and_in_training_mode():
    model, images = network("resnet9", channels=1), random_images(2, channels=1)
    expected = grad_cam(model, "4.0", images, [0, 1])
    model.train()
    with torch.no_grad(), Unchanged(model):
        np.testing.assert_array_equal(grad_cam(model, "4.0", images, [0, 1]), expected)


def test_nothing_is_left_of_a_try_that_fails():
    model = network("simple")
    with Unchanged(model), pytest.raises(RuntimeError):
        grad_cam(model, "features.0.0", random_images(1, channels=1), [0])


def test_sessions_may_ask_at_the_same_time():
    model, images = network("simple"), random_images(8)
    names = list(conv_layers(model))
    expected = {name: grad_cam(model, name, images, np.zeros(8, np.int64)) for name in names}
    wrong = []

    def ask(name):
        for _ in range(10):
            if not np.allclose(grad_cam(model, name, images, np.zeros(8, np.int64)), expected[name], atol=1e-4):
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("family", ["resnet18", "efficientnet", "convnext"])
def test_one_image_takes_less_than_a_second(family):
    model, images = network(family, **({"width": 1.0} if family == "resnet18" else {})), random_images(1)
    last = list(conv_layers(model))[-1]
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        grad_cam(model, last, images, [0])
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 1


def test_a_hookable_copy_shares_the_weights_and_nothing_else():
    model = network("simple").train()
    other = hookable_copy(model)
    assert not any(layer.training for layer in other.modules()) and model.training
    mine, theirs = dict(model.named_parameters()), dict(other.named_parameters())
    assert {name: value.data_ptr() for name, value in mine.items()} == {name: value.data_ptr() for name, value in theirs.items()}
    assert all(value.requires_grad for value in mine.values()) and not any(value.requires_grad for value in theirs.values())
    other.features[0][0].register_forward_hook(lambda *_: None)
    assert not model.features[0][0]._forward_hooks
