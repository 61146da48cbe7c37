"""The optimizers by name, with the field's usual settings beyond the learning rate."""

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer


def make_optimizer(name: str, model: nn.Module, learning_rate: float) -> Optimizer:
    """adam (Kingma and Ba, 2015), adamw (Loshchilov and Hutter, 2019; decay 0.01) or sgd (Nesterov momentum 0.9), fused into one kernel."""
    parameters = list(model.parameters())
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters) and all(torch.is_floating_point(p) for p in parameters)
    if name == "sgd":
        return SGD(parameters, lr=learning_rate, momentum=0.9, nesterov=True, fused=fused)
    return {"adam": Adam, "adamw": AdamW}[name](parameters, lr=learning_rate, fused=fused)
