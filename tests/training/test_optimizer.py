"""The optimizers against torch's own classes and against their formulas, written out by hand."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Muon, RMSprop

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import choices
from cnn_core.models.registry import build_model
from cnn_core.models.simple import SimpleCNN
from cnn_core.models.speed import SpeedNet
from cnn_core.training.optimizer import ConvMuon, Optimizers, make_optimizer, orthogonalised

RATE, STEPS = 0.05, 4
NAMES = choices("optimizer")
THEIRS: dict[str, tuple[type, dict[str, Any]]] = {
    "adam": (Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "adamw": (AdamW, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "sgd": (SGD, {"momentum": 0.8, "nesterov": True}),
    "rmsprop": (RMSprop, {"alpha": 0.99, "momentum": 0.8}),
}


def optimizer_for(name: str, model: nn.Module, **chosen: Any) -> Optimizers:
    return make_optimizer(make_config(optimizer=name, **{"learning_rate": RATE, "momentum": 0.8, **chosen}), model)


def network(**chosen: Any) -> nn.Module:
    torch.manual_seed(0)
    return SimpleCNN(channels=1, image_size=8, classes=3, batch_norm=True, **chosen)


def give_gradients(seed: int, *models: nn.Module) -> None:
    """The same random gradients for every model."""
    generator = torch.Generator().manual_seed(seed)
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        gradient = torch.randn(parameters[0].shape, generator=generator)
        for parameter in parameters:
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # laid out as autograd lays it out


def take_steps(optimizer: Any, model: nn.Module, seeds: range = range(STEPS)) -> None:
    for seed in seeds:
        give_gradients(seed, model)
        optimizer.step()


def assert_same(one: nn.Module, other: nn.Module, **tolerance: float) -> None:
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=lambda text, name=name: f"{name}: {text}", **tolerance)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_its_first_steps_equal_those_of_torchs_own_class(name: str, decay: float):
    mine = network()
    theirs = copy.deepcopy(mine)
    kind, options = THEIRS[name]
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    take_steps(optimizer_for(name, mine, weight_decay=decay), mine)
    take_steps(kind(groups, lr=RATE, foreach=False, **options), theirs)
    assert_same(mine, theirs, rtol=1e-5, atol=1e-6)


def adamw_by_hand(start: torch.Tensor, gradients: list[torch.Tensor], decay: float) -> torch.Tensor:
    weights, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step, gradient in enumerate(gradients, start=1):
        weights = weights - RATE * decay * weights
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weights = weights - RATE * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    return weights


def sgd_by_hand(start: torch.Tensor, gradients: list[torch.Tensor], decay: float) -> torch.Tensor:
    weights, velocity = start.clone(), torch.zeros_like(start)
    for gradient in gradients:
        slope = gradient + decay * weights
        velocity = 0.8 * velocity + slope
        weights = weights - RATE * (slope + 0.8 * velocity)
    return weights


@pytest.mark.parametrize(("name", "by_hand"), [("adamw", adamw_by_hand), ("sgd", sgd_by_hand)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_its_steps_equal_its_formula(name: str, by_hand, decay: float):
    model = nn.Linear(6, 5, bias=False)
    gradients = [torch.randn(5, 6, generator=torch.Generator().manual_seed(seed)).double() for seed in range(STEPS)]
    expected = by_hand(model.weight.detach().double(), gradients, decay)
    take_steps(optimizer_for(name, model, weight_decay=decay), model)
    torch.testing.assert_close(model.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_without_momentum_sgd_follows_the_gradient_alone_whatever_nesterov_says():
    model = nn.Linear(3, 2, bias=False)
    before = model.weight.detach().clone()
    optimizer = optimizer_for("sgd", model, momentum=0, nesterov=True, weight_decay=0)
    give_gradients(0, model)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before - RATE * model.weight.grad)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decay_all", [False, True])
def test_norms_and_biases_do_not_decay_unless_all_parameters_do(name: str, decay_all: bool):
    weights, plain = network(), network()
    take_steps(optimizer_for(name, weights, weight_decay=0.5, decay_all=decay_all), weights)
    take_steps(optimizer_for(name, plain, weight_decay=0.0), plain)
    for one, other in zip(weights.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other) == (one.ndim == 1 and not decay_all)


def test_a_scale_for_every_channel_is_no_matrix_whatever_its_shape():
    model = build_model("convnext", channels=3, image_size=16, classes=3)
    scales = {id(p) for name, p in model.named_parameters() if name.endswith("layer_scale")}
    for name in ("adamw", "muon"):
        groups = optimizer_for(name, model, weight_decay=0.1).param_groups
        without = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
        assert scales and scales <= without


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_moves_every_trainable_parameter_and_no_frozen_one(name: str, layout: torch.memory_format):
    torch.manual_seed(0)
    model = SpeedNet(channels=1, image_size=16, classes=3).to(memory_format=layout)
    before = copy.deepcopy(model.state_dict())
    optimizer = optimizer_for(name, model)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(9, 1, 16, 16)).square().sum().backward()
        optimizer.step()
    frozen = [key for key, p in model.named_parameters() if not p.requires_grad]
    assert len(frozen) == 7
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, before[key]) == (key in frozen), key


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_of_one_step_is_left_for_the_next(name: str):
    model = network()
    optimizer = optimizer_for(name, model)
    give_gradients(0, model)
    optimizer.step()
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert all(p.grad is None for group in optimizer.param_groups for p in group["params"])


@pytest.mark.parametrize("name", NAMES)
def test_the_schedules_rate_reaches_every_group_times_its_factor(name: str):
    model = network()
    optimizer = optimizer_for(name, model, adam_rate=0.25)
    optimizer.set_rate(0.008)
    rates = {part.__class__.__name__: {group["lr"] for group in part.param_groups} for part in optimizer.parts}
    assert rates == (
        {"ConvMuon": {0.008}, "AdamW": {0.002}} if name == "muon" else {optimizer.parts[0].__class__.__name__: {0.008}}
    )
    before = copy.deepcopy(model.state_dict())
    optimizer.set_rate(0.0)
    take_steps(optimizer, model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_saved_and_loaded_optimizer_continues_bit_for_bit(name: str, layout: torch.memory_format):
    first = network().to(memory_format=layout)
    optimizer = optimizer_for(name, first, weight_decay=0.1)
    take_steps(optimizer, first)
    second = network().to(memory_format=layout)
    second.load_state_dict(first.state_dict())
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    resumed = optimizer_for(name, second, weight_decay=0.1)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for seeds, model in ((optimizer, first), (resumed, second)):
        take_steps(seeds, model, range(STEPS, 2 * STEPS))
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_muons_step_on_a_kernel_equals_torchs_on_the_reshaped_matrix(
    layout: torch.memory_format, nesterov: bool, has_bfloat16: bool, monkeypatch
):
    monkeypatch.setattr("cnn_core.training.optimizer.multiplies_bfloat16", lambda device: has_bfloat16)
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Conv2d(16, 24, 3, bias=False), nn.Conv2d(8, 4, 1, bias=False), nn.Linear(12, 40, bias=False)])
    model = model.to(memory_format=layout)
    matrices = [nn.Parameter(p.detach().clone(memory_format=torch.contiguous_format).flatten(1)) for p in model.parameters()]
    options = {"lr": 0.02, "momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.1}
    mine, theirs = ConvMuon(model.parameters(), **options), Muon(matrices, **options)
    before = [matrix.detach().clone() for matrix in matrices]
    for seed in range(3):
        give_gradients(seed, model)
        for matrix, parameter in zip(matrices, model.parameters(), strict=True):
            matrix.grad = parameter.grad.contiguous().flatten(1)
        mine.step()
        theirs.step()
    for parameter, matrix, start in zip(model.parameters(), matrices, before, strict=True):
        moved, expected = parameter.detach().flatten(1) - start, matrix.detach() - start
        assert (moved - expected).norm() < 0.05 * expected.norm()  # torch iterates in bfloat16, which has eight bits


@pytest.mark.parametrize("shape", [(16, 16), (8, 100), (100, 8), (64, 576), (1, 5), (5, 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_singular_values(shape: tuple[int, int], scale: float):
    for seed in range(3):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale
        values = torch.linalg.svdvals(orthogonalised(matrix))
        if min(shape) < max(shape):  # a square random matrix has a singular value next to zero, which takes longer
            assert values.min() > 0.6 and values.max() < 1.3
        assert values.max() < 1.3 and values.median() > 0.6
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        turned = u.T @ orthogonalised(matrix) @ v.T
        assert (turned - turned.diag().diag()).abs().max() < 1e-2


def test_a_matrix_of_zeros_stays_one():
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_muon_leaves_the_first_and_the_last_matrix_and_all_vectors_to_adamw():
    model = network()
    muon, aside = optimizer_for("muon", model).parts
    assert isinstance(muon, ConvMuon) and isinstance(aside, AdamW)
    matrices = [name for name, p in model.named_parameters() if p.ndim > 1]
    places = {p.data_ptr(): name for name, p in model.named_parameters()}
    by_muon = [places[p.data_ptr()] for group in muon.param_groups for p in group["params"]]
    by_adamw = [places[p.data_ptr()] for group in aside.param_groups for p in group["params"]]
    assert by_muon == matrices[1:-1] and {matrices[0], matrices[-1]} <= set(by_adamw)
    assert sorted(by_muon + by_adamw) == sorted(places.values())


def test_a_model_with_nothing_between_first_and_last_layer_is_moved_by_adamw_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    (aside,) = optimizer_for("muon", model).parts
    assert isinstance(aside, AdamW)


@pytest.mark.parametrize("name", NAMES)
def test_a_scaled_loss_moves_the_weights_as_an_unscaled_one_does(name: str):
    """As with float16, of which a CPU can do the scaling but not the arithmetic."""
    plain, scaled = network(), network()
    one, other, scaler = optimizer_for(name, plain), optimizer_for(name, scaled), torch.amp.GradScaler("cpu")
    for seed in range(3):
        images = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        one.zero_grad()
        plain(images).square().mean().backward()
        one.step()
        other.zero_grad()
        scaler.scale(scaled(images).square().mean()).backward()
        other.gather_gradients()
        for part in other.parts:
            scaler.unscale_(part)
        for part in other.parts:
            scaler.step(part)
        scaler.update()
    assert_same(plain, scaled, rtol=1e-3, atol=1e-4)
