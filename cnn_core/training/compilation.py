"""A network's forward pass translated by torch.compile, which falls back to the plain one where translating fails."""

import logging

import torch
from torch import nn

logger = logging.getLogger("cnn_studio")


class CompiledModel:
    """Calls `torch.compile(model)`; on a GPU its kernels are replayed as one CUDA graph, so that no launch waits for Python.

    A machine without a compiler trains all the same: the first failure is logged, and the plain network is used from then on.
    """

    def __init__(self, model: nn.Module) -> None:
        self._plain = model
        on_gpu = next(model.parameters()).device.type == "cuda"
        self._forward = torch.compile(model, mode="reduce-overhead" if on_gpu else "default", dynamic=False)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        try:
            return self._forward(images)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as problem:
            logger.warning("torch.compile failed, so the network is trained uncompiled: %s", problem)
            self._forward = self._plain
            return self._plain(images)
