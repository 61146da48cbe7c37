"""The optimizers by name, over parameters sorted into groups: what decays, what does not, and what Muon leaves to AdamW.

In: a TrainConfig and a model. Out: one Optimizer-like value whose groups carry `rate`, their share of the schedule's learning rate.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer, RMSprop

from cnn_core.config.schema import TrainConfig
from cnn_core.device import multiplies_bfloat16


class Optimizers:
    """Several torch optimizers as one. `set_rate` is called before every step; `gradients` are what clipping looks at."""

    def __init__(self, parts: Iterable[Optimizer]) -> None:
        self.parts = tuple(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def set_rate(self, learning_rate: float) -> None:
        for group in self.param_groups:
            group["lr"] = learning_rate * group.get("rate", 1.0)

    def set_weight_decay(self, weight_decay: float) -> None:
        """Let those groups that are meant to decay do so by `weight_decay`."""
        for group in self.param_groups:
            if group.get("decays", True):
                group["weight_decay"] = weight_decay

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def gather_gradients(self) -> None:
        """To be called after a backward pass when somebody else, like a loss scaler, looks at the parts' gradients before `step`."""
        for part in self.parts:
            if isinstance(part, ConvMuon):
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
    """Muon (Jordan et al., 2024) for convolutions too: each kernel (O, I, H, W) is seen as the matrix (O, H·W·I).

    The parameters it is given stay what they are; torch's own Muon, which takes matrices only, works on views of their storage. It
    orthogonalises in bfloat16. On a CPU that must imitate it (1,669 ms for a 256×2,304 matrix) the same step is taken in float32.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], **options: Any) -> None:
        self._originals = list(parameters)
        super().__init__([nn.Parameter(_as_matrix(p.detach(), like=p)) for p in self._originals], **options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for parameter in self._originals:
            parameter.grad = None

    def gather_gradients(self) -> None:
        """Give the matrices their gradients, as views of the parameters' own, which autograd lays out as the parameters are."""
        for matrix, parameter in zip(self.param_groups[0]["params"], self._originals, strict=True):
            matrix.grad = None if parameter.grad is None else _as_matrix(parameter.grad, like=parameter)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        (group,) = self.param_groups
        self.gather_gradients()
        if all(multiplies_bfloat16(matrix.device) for matrix in group["params"]):
            super().step()
        else:
            self._step_in_float32(group)

    def _step_in_float32(self, group: dict[str, Any]) -> None:
        matrices, gradients, averages = [], [], []
        self._init_group(group, matrices, gradients, averages)
        for matrix, gradient, average in zip(matrices, gradients, averages, strict=True):
            average.lerp_(gradient, 1 - group["momentum"])
            step = gradient.lerp(average, group["momentum"]) if group["nesterov"] else average
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(orthogonalised(step), alpha=-group["lr"] * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5)


def orthogonalised(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """About U·Vᵀ of `matrix` (A, B) = U·S·Vᵀ, by Newton-Schulz iterations with Jordan's (2024) coefficients; singular values come to 0.7..1.2."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), wide, beta=3.4445)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def make_optimizer(config: TrainConfig, model: nn.Module) -> Optimizers:
    """The optimizer that `config` asks for, fused into one kernel where torch can.

    adam: Kingma and Ba, 2015. adamw: Loshchilov and Hutter, 2019. sgd: with momentum as in Sutskever et al., 2013. rmsprop: Hinton,
    2012. muon: Jordan et al., 2024, on the matrices between first and last layer, and AdamW on the rest.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decay = config.weight_decay
    nesterov = config.nesterov and config.momentum > 0
    if config.optimizer == "muon":
        matrices = _between_first_and_last(model)
        rest = {name: p for name, p in trained.items() if name not in matrices}
        aside = AdamW(_groups(rest, config, rate=config.adam_rate), lr=config.learning_rate, fused=_can_fuse(rest.values()))
        if not matrices:
            return Optimizers([aside])
        muon = ConvMuon(
            matrices.values(), lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov, weight_decay=decay
        )
        return Optimizers([muon, aside])
    groups, fused = _groups(trained, config), _can_fuse(trained.values())
    if config.optimizer == "sgd":
        return Optimizers([SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov, fused=fused)])
    if config.optimizer == "rmsprop":
        return Optimizers([RMSprop(groups, lr=config.learning_rate, momentum=config.momentum)])
    return Optimizers([{"adam": Adam, "adamw": AdamW}[config.optimizer](groups, lr=config.learning_rate, fused=fused)])


def _groups(parameters: dict[str, nn.Parameter], config: TrainConfig, rate: float = 1.0) -> list[dict[str, Any]]:
    """Parameters that decay (matrices and kernels) and those that do not (norms, biases), unless all are asked to."""
    decays = [p for p in parameters.values() if config.decay_all or _is_matrix(p)]
    others = [p for p in parameters.values() if not (config.decay_all or _is_matrix(p))]
    sorted_groups = ((decays, True), (others, False))
    return [
        {"params": params, "weight_decay": config.weight_decay if decay else 0.0, "decays": decay, "rate": rate}
        for params, decay in sorted_groups
        if params
    ]


def _between_first_and_last(model: nn.Module) -> dict[str, nn.Parameter]:
    """Trained kernels and matrices but for the network's first and last, whose inputs or outputs are pixels and classes, not features."""
    matrices = {name: p for name, p in model.named_parameters() if _is_matrix(p)}
    return {name: matrices[name] for name in list(matrices)[1:-1] if matrices[name].requires_grad}


def _is_matrix(parameter: nn.Parameter) -> bool:
    """Kernels and linear layers, but not a scale for every channel, which ConvNeXt keeps as (C, 1, 1)."""
    return parameter.ndim in (2, 4)


def _as_matrix(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(O, ...) as (O, rest), a view where `tensor` lies in memory as `like` does. A channels-last kernel's rest is in the order it
    has in memory: Muon does not mind which column is which, as long as weights and gradients agree."""
    if like.ndim == 4 and not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)
