"""A model's forward pass compiled by torch.compile, with the uncompiled one as a fallback. In: a model. Out: a function with the same results."""

import logging
from collections.abc import Callable

import torch
from torch import nn

from cnn_core.torch_internals import compile_errors

logger = logging.getLogger("cnn_studio")

Forward = Callable[[torch.Tensor], torch.Tensor]  # images (N, C, H, W) -> logits (N, classes)


class CompiledModel:
    """Calls `torch.compile(model)`. On a GPU one CUDA graph replays all kernels, so that no launch waits for Python.

    Where compiling fails, for example without a compiler on the machine, a warning is logged and the uncompiled model is used.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model: Forward = model
        on_gpu = next(model.parameters()).device.type == "cuda"
        self._forward: Forward = torch.compile(model, mode="reduce-overhead" if on_gpu else "default", dynamic=False)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        try:
            return self._forward(images)
        except compile_errors() as error:
            logger.warning("torch.compile failed, so the model is trained uncompiled: %s", error)
            self._forward = self._model
            return self._model(images)
