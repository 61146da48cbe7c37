"""Compiled models: the same numbers as uncompiled ones, and the uncompiled model on a machine without a compiler."""

import copy
import shutil
from contextlib import closing
from pathlib import Path

import pytest
import torch
import torch._inductor.config
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch
from cnn_core.home import Home
from cnn_core.training.compilation import CompiledModel
from cnn_core.training.recipe import train_run

HAS_COMPILER = shutil.which("g++") is not None


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 3))


def gradients(forward, model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    forward(images).square().sum().backward()
    return [p.grad.clone() for p in model.parameters()]


def test_a_compiled_model_or_where_there_is_no_compiler_its_fallback_equals_the_plain_one():
    model, plain = network(), network()
    compiled = CompiledModel(model)
    images = torch.randn(8, 6)
    torch.testing.assert_close(compiled(images), plain(images), rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(gradients(compiled, model, images), gradients(plain, plain, images), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        model[0].weight.mul_(2)  # as an optimizer moves them
        plain[0].weight.mul_(2)
    torch.testing.assert_close(compiled(images), plain(images), rtol=1e-4, atol=1e-5)
    assert (compiled._forward is model) == (not HAS_COMPILER)


def test_a_machine_without_a_compiler_trains_all_the_same_and_to_the_same_figures(
    home: Home, image_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(home.root / "cache"))  # nothing compiled before helps
    losses = []
    with torch._inductor.config.patch({"cpp.cxx": (None, "/nowhere/g++")}):  # as the variable CXX would, before the import
        for name in ("on", "off"):
            (home.root / name).mkdir(parents=True)
            config = make_config(data=str(image_folder), device="cpu", epochs=1, width=0.25, batch_size=21, compile=name)
            with closing(train_run(config, home.root / name, home)) as events:
                losses.append(next(event.val_loss for event in events if isinstance(event, Epoch)))
    compiled, plain = losses
    assert compiled == plain and caplog.text.count("the model is trained uncompiled") == 1


def test_the_fallback_is_final_and_keeps_the_weights(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def broken(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        raise torch._dynamo.exc.TorchDynamoException("no compiler")

    monkeypatch.setattr(torch, "compile", lambda model, **options: broken)
    model = network()
    plain = copy.deepcopy(model)
    compiled = CompiledModel(model)
    for count in (4, 2):
        images = torch.randn(count, 6)
        assert torch.equal(compiled(images), plain(images))
    assert calls == [4]


def test_a_error_in_the_model_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "compile", lambda model, **options: model)
    with pytest.raises(RuntimeError, match="shapes"):
        CompiledModel(network())(torch.randn(2, 7))
