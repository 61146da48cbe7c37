"""The optimizers by name, with parameters in groups: with weight decay, without it, and those that AdamW updates beside Muon.

In: a TrainConfig and a model. Out: Optimizers, whose groups have a `rate`, the factor of the schedule's learning rate (stored in checkpoints). To add an
optimizer, write a function of the model and of settings by their names in TrainConfig, and add it to OPTIMIZERS. The exported
training script contains the function's code.
"""

from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer, RMSprop

from cnn_core.config.schema import TrainConfig
from cnn_core.device import multiplies_bfloat16


class Optimizers:
    """One or several torch optimizers as one. `set_learning_rate` is called before every step."""

    def __init__(self, parts: Iterable[Optimizer]) -> None:
        self.parts = tuple(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self.param_groups:
            group["lr"] = learning_rate * group.get("rate", 1.0)

    def set_weight_decay(self, weight_decay: float) -> None:
        """Change the weight decay of the groups that have one."""
        for group in self.param_groups:
            if group.get("decays", True):
                group["weight_decay"] = weight_decay

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def gather_gradients(self) -> None:
        """Call after a backward pass where the parts' gradients are read before `step`, as a loss scaler does. ConvMuon needs it."""
        for part in self.parts:
            if hasattr(part, "gather_gradients"):
                part.gather_gradients()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)


class ConvMuon(Muon):
    """Muon (Jordan et al., 2024) for convolutions too: each kernel (O, I, H, W) is viewed as the matrix (O, H·W·I).

    torch's own Muon takes matrices only and orthogonalises in bfloat16, so it works on views of the parameters. On a CPU without
    bfloat16 instructions (1,669 ms for a 256×2,304 matrix) the same step is computed in float32.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], **options: Any) -> None:
        self.originals = {nn.Parameter(_as_matrix(p.detach(), like=p)): p for p in parameters}  # by their matrices
        super().__init__(list(self.originals), **options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for parameter in self.originals.values():
            parameter.grad = None

    def gather_gradients(self) -> None:
        """Set the matrices' gradients: views of the parameters' gradients, which have the parameters' memory layout."""
        for matrix, parameter in self.originals.items():
            matrix.grad = None if parameter.grad is None else _as_matrix(parameter.grad, like=parameter)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        self.gather_gradients()
        if all(multiplies_bfloat16(matrix.device) for matrix in self.originals):
            super().step()  # type: ignore[no-untyped-call]  # torch's Muon has no types
        else:
            for group in self.param_groups:
                self._step_in_float32(group)

    def _step_in_float32(self, group: dict[str, Any]) -> None:
        for matrix in group["params"]:
            if matrix.grad is None:
                continue
            average = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
            average.lerp_(matrix.grad, 1 - group["momentum"])
            step = matrix.grad.lerp(average, group["momentum"]) if group["nesterov"] else average
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(orthogonalised(step), alpha=-group["lr"] * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5)


def orthogonalised(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Approximate U·Vᵀ of `matrix` (A, B) = U·S·Vᵀ by Newton-Schulz iterations with the coefficients of Jordan et al. (2024).

    The singular values of the result are 0.7 to 1.2 instead of 1.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), wide, beta=3.4445)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def adam(model: nn.Module, *, learning_rate: float, weight_decay: float, decay_all: bool) -> Optimizers:
    """Adam (Kingma and Ba, 2015)."""
    trained = _trained(model)
    return Optimizers([Adam(_groups(trained, weight_decay, decay_all), lr=learning_rate, fused=_can_fuse(trained.values()))])


def adamw(model: nn.Module, *, learning_rate: float, weight_decay: float, decay_all: bool) -> Optimizers:
    """AdamW (Loshchilov and Hutter, 2019)."""
    trained = _trained(model)
    return Optimizers([AdamW(_groups(trained, weight_decay, decay_all), lr=learning_rate, fused=_can_fuse(trained.values()))])


def sgd(
    model: nn.Module, *, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float, decay_all: bool
) -> Optimizers:
    """Stochastic gradient descent with momentum (Sutskever et al., 2013)."""
    trained = _trained(model)
    groups, fused = _groups(trained, weight_decay, decay_all), _can_fuse(trained.values())
    return Optimizers([SGD(groups, lr=learning_rate, momentum=momentum, nesterov=nesterov and momentum > 0, fused=fused)])


def rmsprop(model: nn.Module, *, learning_rate: float, momentum: float, weight_decay: float, decay_all: bool) -> Optimizers:
    """RMSprop (Hinton, 2012) with momentum."""
    return Optimizers([RMSprop(_groups(_trained(model), weight_decay, decay_all), lr=learning_rate, momentum=momentum)])


def muon(
    model: nn.Module,
    *,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    adam_rate: float,
    weight_decay: float,
    decay_all: bool,
) -> Optimizers:
    """Muon (Jordan et al., 2024) for the matrices and kernels between the first and the last layer, AdamW for everything else."""
    matrices = _between_first_and_last(model)
    rest = {name: p for name, p in _trained(model).items() if name not in matrices}
    groups = _groups(rest, weight_decay, decay_all, rate=adam_rate)
    adamw = AdamW(groups, lr=learning_rate, fused=_can_fuse(rest.values()))
    if not matrices:
        return Optimizers([adamw])
    options = {"momentum": momentum, "nesterov": nesterov and momentum > 0, "weight_decay": weight_decay}
    return Optimizers([ConvMuon(matrices.values(), lr=learning_rate, **options), adamw])


OPTIMIZERS: dict[str, Callable[..., Optimizers]] = {
    "adam": adam,
    "adamw": adamw,
    "sgd": sgd,
    "rmsprop": rmsprop,
    "muon": muon,
}


def make_optimizer(config: TrainConfig, model: nn.Module) -> Optimizers:
    """Return the optimizer of `config`, fused into one kernel where torch can."""
    return OPTIMIZERS[config.optimizer](model, **optimizer_settings(config))


def optimizer_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings of `config` that its optimizer takes, by name."""
    names = list(signature(OPTIMIZERS[config.optimizer]).parameters)[1:]
    return {name: getattr(config, name) for name in names}


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _groups(parameters: dict[str, nn.Parameter], weight_decay: float, decay_all: bool, rate: float = 1.0) -> list[dict[str, Any]]:
    """Return groups of kernels and matrices, which decay, and of norms and biases, which decay only with `decay_all`."""
    decays = [p for p in parameters.values() if decay_all or _is_matrix(p)]
    others = [p for p in parameters.values() if not (decay_all or _is_matrix(p))]
    return [
        {"params": params, "weight_decay": weight_decay if decay else 0.0, "decays": decay, "rate": rate}
        for params, decay in ((decays, True), (others, False))
        if params
    ]


def _between_first_and_last(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the trained kernels and matrices except the network's first and last, whose inputs or outputs are pixels or classes."""
    matrices = {name: p for name, p in model.named_parameters() if _is_matrix(p)}
    return {name: matrices[name] for name in list(matrices)[1:-1] if matrices[name].requires_grad}


def _is_matrix(parameter: nn.Parameter) -> bool:
    """Whether it is a kernel or matrix; the scales of channels, which ConvNeXt stores as (C, 1, 1), are not."""
    return parameter.ndim in (2, 4)


def _as_matrix(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a tensor (O, ...) as a matrix (O, rest): a view, if `tensor` has the memory layout of `like`.

    The columns of a channels-last kernel are in memory order. Muon takes any order that is the same for weights and gradients.
    """
    if like.ndim == 4 and not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)
