"""Every family keeps what the registry promises: shapes, settings, errors, and that it can learn."""

import pytest
import torch
from torch import nn

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES, build_model, build_on_meta, count_parameters, min_image_side
from tests.helpers import is_a_sentence

OPTIONS = ("timm_name", "width", "depth", "activation", "batch_norm", "dropout", "weights")
NARROW = {"width": 0.25, "dropout": 0.0}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_says_what_it_is_and_takes_known_settings(family):
    assert FAMILIES[family.name] is family and is_a_sentence(family.help)
    assert set(family.options) <= set(OPTIONS) and set(family.defaults) <= set(TrainConfig.model_fields)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_finite_logits_for_grey_and_colour_images_of_16_and_40_pixels(family: str):
    for channels, side, classes in ((1, 16, 2), (3, 40, 7)):
        model = build_model(family, channels=channels, image_size=side, classes=classes, width=0.5, dropout=0.1)
        images = torch.randn(2, channels, side, side)
        assert model(images).shape == (2, classes)  # training, with the smallest batch that a norm takes
        logits = model.eval()(images[:1])
        assert logits.shape == (1, classes) and bool(logits.isfinite().all())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_images_of_97_pixels(family: str):
    with torch.device("meta"):
        assert build_on_meta(family, channels=3, image_size=97, classes=3)(torch.empty(2, 3, 97, 97)).shape == (2, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_below_the_smallest_side_are_refused_with_a_message(family: str):
    least, options = min_image_side(family, depth=1), {"depth": 1, "width": 0.25}
    logits = build_model(family, channels=3, image_size=least, classes=2, **options)(torch.randn(2, 3, least, least))
    assert logits.shape == (2, 2)
    with pytest.raises(SettingError, match=f"{least}×{least}") as refusal:
        build_model(family, channels=3, image_size=least - 1, classes=2, **options)
    assert is_a_sentence(refusal.value) and refusal.value.field == "model"


def test_the_smallest_side_of_a_model_with_blocks_follows_its_depth():
    assert [min_image_side("simple", depth) for depth in (1, 3, 6)] == [2, 8, 64] and min_image_side("simple") == 8
    assert min_image_side("resnet20", 6) == FAMILIES["resnet20"].smallest


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gradient_reaches_every_parameter_that_is_to_learn(family: str):
    model = build_model(family, channels=3, image_size=32, classes=4, **NARROW)
    for layer in model.modules():  # a block that stochastic depth leaves out has no gradient
        if type(layer).__name__ == "StochasticDepth":
            layer.p = 0.0
    nn.functional.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8) % 4).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not without


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_learn_one_batch_by_heart(family: str):
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 4
    model, rate = build_model(family, channels=3, image_size=16, classes=4, **NARROW), 0.002
    if family == "speed":
        model.prepare(images)
        rate = 0.02  # its logits are divided by 9
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, fused=True)
    losses = []
    while len(losses) < 60 and min(losses, default=1.0) > 0.2:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.0 and losses[-1] < 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_building_on_the_meta_device_draws_no_random_number(family: str):
    before = torch.random.get_rng_state()
    model = build_on_meta(family, channels=3, image_size=32, classes=10, dropout=0.5, weights="pretrained")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(value.is_meta for value in model.state_dict().values())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_of_every_family_are_counted_without_building_it(family: str):
    shape = {"channels": 1, "image_size": 20, "classes": 3}
    built = build_model(family, **shape, width=0.5)
    counted = count_parameters(family, **shape, width=0.5)
    assert counted == sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_builds_the_same_model(family: str):
    first, second = (
        torch.manual_seed(7) and build_model(family, channels=3, image_size=16, classes=3, **NARROW).state_dict()
        for _ in range(2)
    )
    assert list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_settings_of_a_run_may_be_handed_over(family: str):
    settings = TrainConfig().model_dump(exclude={"model"})
    build_on_meta(family, channels=3, image_size=32, classes=10, **settings)
    assert count_parameters(family, channels=3, image_size=32, classes=10, **settings) > 100_000


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(SettingError, match="“vgg”.*simple") as refusal:
        build_model("vgg", channels=3, image_size=32, classes=2)
    assert is_a_sentence(refusal.value) and refusal.value.field == "model"


@pytest.mark.parametrize(("field", "value"), [("width", 0.2), ("width", 4.1), ("depth", 0), ("depth", 7)])
def test_widths_and_depths_out_of_range_are_refused(field: str, value: float):
    with pytest.raises(SettingError, match=rf"\b{value:g}\b") as refusal:
        build_model("simple", channels=3, image_size=256, classes=2, **{field: value})
    assert is_a_sentence(refusal.value) and refusal.value.field == field
