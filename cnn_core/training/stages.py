"""Stages: epochs of a training in which only some of a pretrained network's layers learn; first the head, then the others.

In: a TrainConfig. Out: plans (which layers learn for how many epochs), and stages: what a Trainer reads, computes and updates in each of them.
J. Howard and S. Ruder (Universal Language Model Fine-tuning, 2018, section 3.3) unfreeze a network from its last layer, as fastai's `fine_tune`. The head
learns until it is good: else its gradients would change pretrained layers at random (A. Kumar and others, Fine-tuning can distort pretrained features
and underperform out-of-distribution, 2022).
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache

from torch import nn

from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.source import ImageSet
from cnn_core.events import Note, Progress
from cnn_core.features.batches import FeatureBatches
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.models.layer_groups import frozen_modules, learning_names
from cnn_core.models.registry import find_family
from cnn_core.training.layer_decay import decay_learning_rates
from cnn_core.training.optimizer import Optimizers, make_optimizer
from cnn_core.training.schedule import WarmUp, make_schedule

VALIDATION_BATCH = 500  # images or features that are classified at a time
HEAD, BLOCKS, ALL = "head", "blocks", "all"  # what learns: the head, the last blocks with it, everything


@dataclass(frozen=True)
class StagePlan:
    """`epochs` epochs, after `before` others, in which the layers called `trained` (HEAD, BLOCKS or ALL) learn."""

    trained: str
    before: int
    epochs: int


def plan_stages(config: TrainConfig) -> tuple[StagePlan, ...]:
    """Return the stages of a training with `config`; one in which all layers learn where the weights are not pretrained."""
    if config.starting_weights == "scratch":
        return (StagePlan(ALL, 0, config.epochs),)
    if config.train == HEAD:
        return (StagePlan(HEAD, 0, config.epochs),)
    first = min(config.head_epochs, config.epochs - 1)
    rest = StagePlan(config.train, first, config.epochs - first)
    return (StagePlan(HEAD, 0, first), rest) if config.head_epochs else (rest,)


@dataclass(frozen=True)
class Stage:
    """What a Trainer reads, computes and updates in the epochs of `plan`.

    part: the dotted name of the module that receives the batches, "" for the whole model. learning: the parameters that are updated. frozen: the
    modules in evaluation mode.
    """

    plan: StagePlan
    batches: EpochOrder
    validation: EpochOrder
    optimizer: Optimizers
    schedule: WarmUp
    part: str = ""
    learning: tuple[nn.Parameter, ...] = ()
    frozen: tuple[nn.Module, ...] = ()

    def prepare(self) -> Generator[Progress | Note, None, None]:
        """Read or compute the features of a frozen network, where this stage needs them. Yields Progress and Notes."""
        for batches in (self.batches, self.validation):
            if isinstance(batches, FeatureBatches):
                yield from batches.prepare()

    def begin(self, model: nn.Module) -> None:
        """Let the parameters of this stage learn, and no others."""
        model.requires_grad_(False)
        for parameter in self.learning:
            parameter.requires_grad_(True)

    def set_training_mode(self, model: nn.Module) -> None:
        """Set what learns to training mode, and what is frozen to evaluation mode: frozen batch norms keep their statistics."""
        model.train(not self.part)
        model.get_submodule(self.part).train()
        for module in self.frozen:
            module.eval()


def make_stages(
    config: TrainConfig,
    model: nn.Module,
    make_batches: Callable[[], Batches],
    make_validation: Callable[[], Batches],
    plain: tuple[ImageSet, ImageSet],
    freeze: Callable[[str], FrozenLayers],
) -> tuple[Stage, ...]:
    """Return the stages of a training of `model`.

    make_batches, make_validation: called where a stage reads images, which on a GPU take its memory. plain: the images of both, in their order, of
    which features are computed. freeze: returns the layers before a module, by its name.
    """
    make_batches, make_validation = cache(make_batches), cache(make_validation)  # the same for all stages
    stages: list[Stage] = []
    for plan in plan_stages(config):
        head = find_family(config.model).head
        part = head if plan.trained == HEAD else ""
        read: EpochOrder
        validated: EpochOrder
        if part:
            layers, (training_images, validation_images) = freeze(part), plain
            read = FeatureBatches(training_images, layers, batch_size=config.batch_size, shuffle=True, seed=config.seed)
            validated = (
                make_validation()  # of mirrored images there are no features
                if config.averages_mirrored
                else FeatureBatches(validation_images, layers, batch_size=VALIDATION_BATCH, shuffle=False, seed=0)
            )
        else:
            read, validated = make_batches(), make_validation()
        names = learning_names(model, head, count_learning_blocks(config, plan.trained))
        learning = tuple(value for name, value in model.named_parameters() if name in names and value.requires_grad)
        norms = has_frozen_norms(config, plan.trained)
        frozen = tuple(frozen_modules(model, names, has_frozen_norms=norms)) if norms or plan.trained == BLOCKS else ()
        optimizer = make_stage_optimizer(config, plan.trained, model, learning)
        stages.append(Stage(plan, read, validated, optimizer, stage_schedule(config, plan, len(read)), part, learning, frozen))
    return tuple(stages)


def count_learning_blocks(config: TrainConfig, trained: str) -> int | None:
    """Return how many blocks learn besides the head in a stage; None for all of them."""
    return {HEAD: 0, BLOCKS: config.trained_blocks, ALL: None}[trained]


def make_stage_optimizer(config: TrainConfig, trained: str, model: nn.Module, learning: tuple[nn.Parameter, ...]) -> Optimizers:
    """Return the optimizer of the parameters `learning` of `model`, with learning rates that fall from block to block where they do."""
    head, frozen = find_family(config.model).head, {*model.parameters()} - {*learning}
    wanted = {parameter: parameter.requires_grad for parameter in frozen}
    for parameter in frozen:
        parameter.requires_grad_(False)
    optimizer = make_optimizer(config, model.get_submodule(head if trained == HEAD else ""))
    for parameter, requires_grad in wanted.items():
        parameter.requires_grad_(requires_grad)
    if has_layer_decay(config, trained):
        decay_learning_rates(optimizer, model, head, config.layer_decay)
    return optimizer


def has_frozen_norms(config: TrainConfig, trained: str) -> bool:
    """Whether batch norms keep the statistics of the pretrained weights in a stage in which they may learn."""
    return config.frozen_norm and trained != HEAD and config.starting_weights != "scratch"


def has_layer_decay(config: TrainConfig, trained: str) -> bool:
    """Whether the learning rate falls from block to block in a stage."""
    return config.layer_decay < 1 and trained != HEAD and config.starting_weights != "scratch"


def stage_schedule(config: TrainConfig, plan: StagePlan, steps_per_epoch: int) -> WarmUp:
    """Return the schedule of a stage, over its own steps."""
    changes = {"epochs": plan.epochs, "learning_rate": stage_learning_rate(config, plan.trained)}
    return make_schedule(config.model_copy(update=changes), steps_per_epoch)


def stage_learning_rate(config: TrainConfig, trained: str) -> float:
    """Return the peak learning rate of a stage: the fine-tuning rate where more than the head of a pretrained network learns."""
    return config.learning_rate * (config.fine_tuning_rate if trained != HEAD and config.starting_weights != "scratch" else 1.0)
