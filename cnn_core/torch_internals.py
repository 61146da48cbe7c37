"""All private names of torch that the program uses, each with the reason.

Out: the same under public names. When a torch release moves one, only this file changes.
"""

import torch


def compile_errors() -> tuple[type[Exception], ...]:
    """Return the errors that torch.compile raises when it cannot trace a model or build its kernels, as on a machine without a compiler.

    Private: torch.compiler has no public class for them. A function, because loading them takes seconds.
    """
    return (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError)


def storage_id(tensor: torch.Tensor) -> int:
    """Return a number that is equal for tensors with the same memory only. Private: the public `data_ptr()` is 0 on the meta device."""
    return int(tensor.untyped_storage()._cdata)
