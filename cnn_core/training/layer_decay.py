"""Layer-wise learning-rate decay: the further a block is from the head, the lower its learning rate.

In: an optimizer and its network. Out: the optimizer with groups of parameters whose `rate` falls from block to block. The first layers of a
pretrained network detect edges and textures, which all photographs have, so they need the smallest changes. J. Howard and S. Ruder (Universal Language
Model Fine-tuning, 2018, section 3.1: discriminative fine-tuning); K. Clark and others (ELECTRA, 2020, section A.2); H. Bao and others (BEiT, 2022,
appendix). The exported training script contains this code.
"""

from collections import defaultdict
from typing import Any

from torch import nn

from cnn_core.models.layer_groups import find_blocks
from cnn_core.training.optimizer import Optimizers


def decay_learning_rates(optimizers: Optimizers, model: nn.Module, head: str, decay: float) -> None:
    """Multiply the learning rate of each block by `decay` (above 0, at most 1) for each block from there to the head, itself included.

    The head keeps its rate. Call it before the first step. head: the dotted name of a module of `model`.
    """
    blocks = find_blocks(model, head)
    distances = {name: len(blocks) - number for number, block in enumerate(blocks) for name in block}
    rates = {parameter: decay ** distances.get(name, 0) for name, parameter in model.named_parameters()}
    for part in optimizers.parts:
        originals = getattr(part, "originals", {})  # Muon's matrices are views of the parameters
        part.param_groups[:] = [piece for group in part.param_groups for piece in _split(group, rates, originals)]


def _split(
    group: dict[str, Any], rates: dict[nn.Parameter, float], originals: dict[nn.Parameter, nn.Parameter]
) -> list[dict[str, Any]]:
    """Return the parameters of `group` in groups of one learning rate each, highest first."""
    pieces: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in group["params"]:
        pieces[rates[originals.get(parameter, parameter)]].append(parameter)
    rate = group.get("rate", 1.0)
    return [{**group, "params": pieces[factor], "rate": rate * factor} for factor in sorted(pieces, reverse=True)]
