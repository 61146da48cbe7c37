"""The blocks of a network from its input to its head, for training that frees some of them or gives each a learning rate of its own.

In: a network and the dotted name of its head. Out: names of parameters, block by block. timm's networks say themselves what a block is (`group_matcher`:
a residual block, a transformer layer, together with what precedes it); in other networks it is a module beside the head. The exported training
script contains this code.
"""

from collections.abc import Callable, Collection
from typing import Any

from torch import nn


def find_blocks(model: nn.Module, head: str) -> list[list[str]]:
    """Return the names of the parameters of each block of `model`, from the input to the head, which is not among them.

    What comes before the first block belongs to it, and what stands between the last one and the head to the last.
    """
    names = [name for name, _ in model.named_parameters() if not name.startswith(f"{head}.")]
    grouped = [(path, module.group_matcher) for path, module in model.named_modules() if hasattr(module, "group_matcher")]
    blocks = _timm_blocks(*grouped[0], names) if grouped else _child_blocks(model, head, names)
    found = {name for block in blocks for name in block}
    others = [name for name in names if name not in found]
    return [others + blocks[0], *blocks[1:]] if blocks else [others]


def learning_names(model: nn.Module, head: str, blocks: int | None) -> set[str]:
    """Return the names of the parameters of the head and of the last `blocks` blocks; of all of them for None."""
    learning = {name for name, _ in model.named_parameters()}
    if blocks is None:
        return learning
    found = find_blocks(model, head)
    return learning - {name for block in found[: max(0, len(found) - blocks)] for name in block}


def frozen_modules(model: nn.Module, learning: Collection[str], *, has_frozen_norms: bool = False) -> list[nn.Module]:
    """Return the modules without a parameter in `learning`, and with `has_frozen_norms` all batch norms.

    In evaluation mode, batch norms normalise with their statistics and keep them; a scale and shift in `learning` still learn.
    """
    frozen = []
    for path, module in model.named_modules():
        names = [f"{path}.{name}" if path else name for name, _ in module.named_parameters()]
        is_norm = has_frozen_norms and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
        if is_norm or (names and not any(name in learning for name in names)):
            frozen.append(module)
    return frozen


def _timm_blocks(path: str, matcher: Callable[..., Any], names: list[str]) -> list[list[str]]:
    """Return the blocks of timm's network at `path`, which its `matcher` tells apart."""
    from timm.models._manipulate import group_with_matcher

    prefix, unmatched = f"{path}." if path else "", " "  # a name that no network has: what is grouped with it matches no block
    own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    groups = group_with_matcher(((name, None) for name in [*own, unmatched]), matcher(coarse=False))
    *blocks, last = ([name for name in group if name in own] for group in groups.values())
    if blocks:
        blocks[-1] += last
    return [[prefix + name for name in block] for block in blocks or [last]]


def _child_blocks(model: nn.Module, head: str, names: list[str]) -> list[list[str]]:
    """Return the parameters of each module beside the head, or of each module in the only one; a norm belongs to the layer before it."""
    paths = _children(model, "", head)
    if len(paths) == 1:
        paths = _children(model.get_submodule(paths[0]), f"{paths[0]}.", head) or paths
    blocks: list[list[str]] = []
    for path in paths:
        inside = [name for name in names if name.startswith(f"{path}.")]
        if blocks and all(parameter.ndim == 1 for parameter in model.get_submodule(path).parameters()):
            blocks[-1] += inside
        else:
            blocks.append(inside)
    return blocks


def _children(module: nn.Module, prefix: str, head: str) -> list[str]:
    children = [(f"{prefix}{name}", child) for name, child in module.named_children()]
    return [path for path, child in children if path != head and any(True for _ in child.parameters())]
