"""An exported script's network, optimizer, schedule and augmentation are the program's own: same weights, same steps, same pixels."""

import copy

import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import choices
from cnn_core.data.random_draws import RandomDraws
from cnn_core.models.registry import FAMILIES
from cnn_core.training.augmentation import make_augmentations
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.schedule import make_resizing, make_schedule
from tests.export.scripts import card_of, executed
from tests.models.timm_weights import SMALL, write_weights

NETWORKS = [
    ({"model": "simple"}, {}),
    ({"model": "simple", "depth": 1, "width": 0.5, "activation": "gelu", "batch_norm": True, "dropout": 0.0}, {"channels": 1}),
    ({"model": "simple", "depth": 5, "width": 2, "activation": "leaky_relu"}, {"image_size": 48}),
    ({"model": "speed"}, {}),
    ({"model": "speed", "width": 0.5, "activation": "silu", "mirror": True}, {"channels": 1, "image_size": 17}),
    ({"model": "resnet9", "width": 0.25}, {}),
    ({"model": "resnet18", "width": 0.25, "activation": "silu"}, {}),
    ({"model": "resnet20", "mirror": True}, {"channels": 1}),
    ({"model": "resnet56", "width": 0.5}, {"image_size": 15}),
    ({"model": "mobilenet"}, {"image_size": 96, "channels": 1}),
    ({"model": "efficientnet"}, {"image_size": 80}),
    ({"model": "convnext", "dropout": 0.3}, {}),
    *(({"model": family}, {}) for family in FAMILIES if family != "timm"),
    ({"model": "timm", "timm_name": SMALL, "weights": "scratch"}, {}),
]


@pytest.mark.parametrize(("chosen", "shape"), NETWORKS, ids=lambda value: "-".join(map(str, value.values())))
def test_the_network_starts_with_the_same_weights_and_gives_the_same_logits(chosen, shape):
    config = make_config(**chosen)
    card = card_of(config, **shape)
    names = executed(config, card)
    torch.manual_seed(5)
    own = card.build(weights=config.weights).eval()
    torch.manual_seed(5)
    exported = names["build_model"]().eval()
    state = own.state_dict()
    assert exported.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in exported.state_dict().items())
    images = torch.randn(3, card.channels, card.image_size, card.image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(names["predict"](exported, images), own(images), atol=1e-6)
    dropouts = [[layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)] for model in (own, exported)]
    assert dropouts[0] == dropouts[1] != []
    trained = [{name for name, p in model.named_parameters() if p.requires_grad} for model in (own, exported)]
    assert trained[0] == trained[1]


@pytest.mark.parametrize("optimizer", choices("optimizer"))
@pytest.mark.parametrize("decay_all", [False, True])
def test_the_optimizer_moves_weights_as_the_program_s_own(optimizer, decay_all, monkeypatch):
    config = make_config(model="simple", depth=2, optimizer=optimizer, decay_all=decay_all, weight_decay=0.1, batch_norm=True)
    card = card_of(config, image_size=8)
    names = executed(config, card)
    monkeypatch.setattr("cnn_core.training.optimizer.multiplies_bfloat16", lambda device: False)
    if optimizer == "muon":
        names["multiplies_bfloat16"] = lambda device: False
    own, exported = card.build(), names["build_model"]()
    exported.load_state_dict(own.state_dict())
    start = copy.deepcopy(own.state_dict())
    ours, theirs = make_optimizer(config, own), names["make_optimizer"](exported)
    images, labels = torch.randn(12, 3, 8, 8), torch.arange(12) % 3
    for _ in range(3):
        for model, optimizers in ((own.eval(), ours), (exported.eval(), theirs)):
            optimizers.set_learning_rate(config.learning_rate)
            optimizers.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizers.step()
    for (name, mine), its in zip(own.named_parameters(), exported.parameters(), strict=True):
        assert torch.allclose(mine, its, atol=1e-5) and not torch.equal(mine, start[name])


SCHEDULES = [
    {"schedule": "cosine", "warmup": 0},
    {"schedule": "step", "drop_at": "0.3, 0.6", "drop_factor": 0.2},
    {"schedule": "onecycle", "warmup": 0},
    {"schedule": "linear", "knots": "0:0.1, 0.3:1, 1:0"},
    {"schedule": "plateau", "plateau_patience": 1},
    *({"schedule": name} for name in choices("schedule")),
]


@pytest.mark.parametrize("chosen", SCHEDULES, ids=lambda chosen: "-".join(map(str, chosen.values())))
def test_learning_rate_and_image_size_follow_the_program_s_own_in_every_step(chosen):
    config = make_config(model="resnet20", epochs=7, learning_rate=0.5, start_side=0.5, **chosen)
    names, card = executed(config, card_of(config)), card_of(config)
    own, own_side, steps = make_schedule(config, 9), make_resizing(config, 9, card.image_size), 7 * 9
    exported, side = names["make_schedule"](steps), names["make_resizing"](steps)
    for step in range(steps):
        assert exported(step) == pytest.approx(own(step), abs=1e-12)
        assert side(step) == own_side(step)
        if step % 9 == 8:  # the loss does not fall after the second epoch
            own.observe(max(1.0, 2 - step / 9))
            exported.observe(max(1.0, 2 - step / 9))
    assert exported.state == own.state


AUGMENTATIONS = [
    {"crop": 0.2, "crop_fill": "black"},
    {"crop": 0.2, "crop_fill": "reflect"},
    {"flip": "random"},
    {"flip": "alternating", "seed": 3},
    {"brightness": 0.2},
    {"contrast": 0.5},
    {"cutout": 0.5},
    {"rotation": 20, "scale": 0.1, "shear": 5},
    {"crop": 0.1, "flip": "alternating", "brightness": 0.1, "contrast": 0.1, "rotation": 9, "cutout": 0.2},
]


@pytest.mark.parametrize("chosen", AUGMENTATIONS, ids=lambda chosen: "-".join(chosen))
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_augmented_to_the_same_pixels_from_the_same_draws(chosen, channels):
    config = make_config(data="cifar10", **{"crop": 0, "flip": "off", **chosen})
    card = card_of(config, image_size=16, channels=channels)
    names = executed(config, card)
    images = torch.randint(0, 256, (40, channels, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    results = []
    for kind, functions in (
        (RandomDraws, make_augmentations(config, 16, card.mean)),
        (names["RandomDraws"], names["AUGMENTATIONS"]),
    ):
        view, result = kind(torch.arange(40), 1, torch.Generator().manual_seed(2)), images
        for augment in functions:
            result = augment(result, view)
        results.append(result)
    assert torch.equal(*results) and not torch.equal(results[0], images)


def test_augmentations_change_values_as_far_as_the_settings_say():
    config = make_config(data="cifar10", brightness=0.2, contrast=0.5, cutout=0.5, crop=0, flip="off")
    names = executed(config, card_of(config, image_size=16))
    brightness, contrast, cutout = names["AUGMENTATIONS"]
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 16, 16, generator=generator) * 102 + 76
    images, view = image.expand(50, 3, 16, 16), names["RandomDraws"](torch.arange(50), 0, generator)
    added = [(changed - image).mean().item() / 255 for changed in brightness(images, view)]
    assert max(map(abs, added)) <= 0.2 + 1e-6 and max(added) > 0.15 and min(added) < -0.15
    stretched = [(changed.std() / image.std()).item() for changed in contrast(images, view)]
    assert 0.5 <= min(stretched) < 0.6 and 1.4 < max(stretched) <= 1.5 + 1e-6
    covered = [(changed == 255 * 0.4).all(0).sum().item() for changed in cutout(images, view)]
    assert max(covered) == 64 and min(covered) >= 16


def test_alternating_flips_show_every_image_both_ways_in_two_epochs():
    config = make_config(data="cifar10", flip="alternating", crop=0)
    names = executed(config, card_of(config))
    (flip,) = names["AUGMENTATIONS"]
    images = torch.arange(8.0).expand(40, 3, 4, 8)
    mirrored = []
    for epoch in (0, 1, 2):
        view = names["RandomDraws"](torch.arange(40), epoch, torch.Generator())
        mirrored.append([bool(image[0, 0, 0] == 7) for image in flip(images, view)])
    assert 5 < sum(mirrored[0]) < 35
    assert mirrored[1] == [not is_mirrored for is_mirrored in mirrored[0]] and mirrored[2] == mirrored[0]


def test_the_whitening_is_computed_as_the_program_s_own():
    config = make_config(model="speed", data="cifar10")
    card = card_of(config)
    own, exported = card.build(), executed(config, card)["build_model"]()
    images = torch.randn(40, 3, 32, 32)
    own.prepare(images)
    exported.prepare(images)
    assert torch.equal(own.whitening.weight, exported.whitening.weight)
    products = [layer.weight.flatten(1) @ layer.weight.flatten(1).T for layer in (own.whitening, exported.whitening)]
    assert torch.allclose(*products, atol=1e-4)


def test_starting_weights_from_a_file_are_copied_except_the_last_layer(tmp_path):
    teacher = card_of(make_config(model="mobilenet"), classes=("a", "b", "c", "d")).build()
    torch.save(teacher.state_dict(), tmp_path / "weights.pth")
    config = make_config(model="mobilenet", weights=str(tmp_path / "weights.pth"), data="cifar10")
    model = executed(config, card_of(config, channels=1))["build_model"]()
    state, given = model.state_dict(), teacher.state_dict()
    assert torch.equal(state["features.5.block.0.0.weight"], given["features.5.block.0.0.weight"])
    assert torch.equal(state["features.0.0.weight"], given["features.0.0.weight"].sum(1, keepdim=True))
    assert state["classifier.3.weight"].shape == (3, 1024)


def test_a_script_of_a_network_of_timm_takes_its_weights_from_a_file_of_them(tmp_path):
    file = write_weights(tmp_path / "weights.safetensors")
    config = make_config(model="timm", timm_name=SMALL, weights=str(file), data="cifar10")
    card = card_of(config)
    own, exported = card.build(weights=str(file)).eval(), executed(config, card)["build_model"]().eval()
    images = torch.randn(2, 3, card.image_size, card.image_size)
    with torch.inference_mode():
        assert torch.equal(exported.backbone(images), own.backbone(images))
