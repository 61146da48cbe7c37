"""The parts of a training script that differ from run to run: this program's own code, and calls of it with the run's settings.

In: a run's settings and the card of its network. Out: values for the templates, all code as Code. No network,
schedule, optimizer or augmentation is named here: they are classes and functions whose source code is copied.
"""

from collections.abc import Callable, Collection, Mapping
from inspect import getdoc
from typing import Any

from cnn_core.config.groups.augmentation import AugmentationSettings
from cnn_core.config.schema import TrainConfig, label
from cnn_core.data.batches import Normalise
from cnn_core.data.decoder import draft_side
from cnn_core.data.image_conversion import convert_image, fit_square
from cnn_core.data.image_formats import is_image
from cnn_core.data.image_repair import repair
from cnn_core.data.kept_form import reduce_to, to_kept_jpeg
from cnn_core.data.random_draws import RandomDraws
from cnn_core.data.splits import draw_of_each, stratified_split
from cnn_core.export.source_code import source_of, target_of
from cnn_core.export.templating import Code, comment, constructor, pyrepr
from cnn_core.models.layer_groups import frozen_modules, learning_names
from cnn_core.models.registry import build_on_meta, find_family, pick_options
from cnn_core.models.saving import ModelCard
from cnn_core.training.augmentation import make_augmentations
from cnn_core.training.layer_decay import decay_learning_rates
from cnn_core.training.optimizer import OPTIMIZERS, optimizer_settings
from cnn_core.training.photo_augmentation import ColourJitter, RandomResizedCrop, TrivialAugment
from cnn_core.training.recipe import PREPARATION_IMAGES
from cnn_core.training.schedule import ProgressiveResizing, Schedule, WarmUp, make_resizing, make_schedule
from cnn_core.training.stages import (
    ALL,
    HEAD,
    StagePlan,
    count_learning_blocks,
    has_frozen_norms,
    has_layer_decay,
    plan_stages,
    stage_learning_rate,
)

DTYPES = {"auto": "torch.bfloat16", "bfloat16": "torch.bfloat16", "float16": "torch.float16", "float32": ""}
ALWAYS = ("validation_share", "seed", "epochs", "batch_size", "label_smoothing")  # constants of every script
UNCHANGED_IMAGES: dict[str, Any] = {
    name: {"flip": "off", "trivial_augment": False}.get(name, 0) for name in AugmentationSettings.model_fields
} | {"start_side": 1.0}
TORCHVISIONS = (
    RandomResizedCrop,
    TrivialAugment,
    ColourJitter,
)  # in a script, torchvision's own transforms of each image replace these
IF_ON = ("images_per_class", "warmup", "clip_norm", "ema", "patience")  # constants of scripts that use them


def training_code(config: TrainConfig, card: ModelCard) -> dict[str, Any]:
    """Return all values of the templates that depend on the run."""
    plans, norms = plan_stages(config), has_frozen_norms(config, ALL)
    if config.learns_on_features:
        config = config.model_copy(update=UNCHANGED_IMAGES)
    stages = _stages(config, plans) if any((plans[0].trained != ALL, has_layer_decay(config, ALL), norms)) else {}
    if not stages:
        config = config.model_copy(update={"learning_rate": stage_learning_rate(config, ALL)})
    return {
        "head": find_family(config.model).head,
        "stages": stages,
        "has_features": plans[0].trained == HEAD,
        "has_frozen_norms": norms,
        "has_layer_decay": has_layer_decay(config, config.train),
        "constants": _constants(config, card, bool(stages)),
        "split_code": source_of(*map(target_of, (stratified_split, *([draw_of_each] if config.images_per_class else [])))),
        "images_per_class": config.images_per_class,
        "image_code": image_code(card, is_image),
        "draft": draft_side(card.image_size, card.crop_share),
        **_augmentation(config, card),
        **_network(config, card),
        **_optimizer(config, _stage_targets(config) if stages else []),
        **_schedule(config, card, bool(stages)),
        "dtype": Code(DTYPES[config.precision]),
        "forward": Code("forward" if config.compile == "on" else "model"),
        "measured": Code("measured" if config.ema else "model"),
    }


def image_code(card: ModelCard, *others: Callable[..., Any]) -> Code:
    """Return the functions that the template of `load_image` uses, and `others` with the constants that they need."""
    kept = [reduce_to, to_kept_jpeg] if card.kept_side else []
    constants = [f"{to_kept_jpeg.__module__}:GREY_MODES", *([f"{is_image.__module__}:START_BYTES"] if others else [])]
    return source_of(*constants, *map(target_of, (*others, repair, convert_image, fit_square, *kept)))


def _stages(config: TrainConfig, plans: Collection[StagePlan]) -> dict[int, Code]:
    """Return, by its first epoch (from 0), "(3, 17, FINE_TUNING_RATE * LEARNING_RATE)" for each stage: blocks that learn besides the head,
    epochs, and the peak of the learning rate."""
    stages = {}
    for plan in plans:
        peak = "LEARNING_RATE" if plan.trained == HEAD else "FINE_TUNING_RATE * LEARNING_RATE"
        epochs = plan.epochs if plan.before or len(plans) > 1 else Code("EPOCHS")
        stages[plan.before] = Code(f"({count_learning_blocks(config, plan.trained)}, {epochs}, {peak})")
    return stages


def _stage_targets(config: TrainConfig) -> list[str]:
    """Return the functions that find what learns in a stage, and lower the learning rate from block to block."""
    decay = [target_of(decay_learning_rates)] if has_layer_decay(config, config.train) else []
    return [target_of(learning_names), target_of(frozen_modules), *decay]


def _constants(config: TrainConfig, card: ModelCard, has_stages: bool) -> list[Code]:
    """Return lines such as "EMA = 0.99  # Weight averaging"."""
    side = make_resizing(config, 1, card.image_size)
    of_stages = ["fine_tuning_rate"] * has_stages if config.train != HEAD else []
    of_stages += ["layer_decay"] * has_layer_decay(config, config.train)
    names = [*ALWAYS, *(name for name in IF_ON if getattr(config, name)), *_numbers(config), *of_stages]
    lines = [f"{name.upper()} = {pyrepr(getattr(config, name))}{_explanation(name)}" for name in names]
    if side:
        lines.append(f"START_SIDE = {pyrepr(side.start)}  # pixels: the side of the training images at the start")
    if config.starting_weights != "scratch":
        lines.append(f"WEIGHTS = {pyrepr(config.starting_weights)}  # the starting weights")
    return [Code(line) for line in lines]


def _explanation(name: str) -> str:
    """Return a comment with the setting's label, "" if the name is the same."""
    text = comment(label(name))
    return "" if text.casefold() == name.replace("_", " ") else f"  # {text}"


def _numbers(config: TrainConfig) -> list[str]:
    """Return the settings of the optimizer that are numbers."""
    return [name for name, value in optimizer_settings(config).items() if isinstance(value, float)]


def _arguments(values: Mapping[str, Any], constants: Collection[str] = ()) -> list[Code]:
    """Return arguments such as "momentum=MOMENTUM", "nesterov=True": a constant of the script if there is one, else a literal."""
    return [Code(f"{name}={name.upper() if name in constants else pyrepr(value)}") for name, value in values.items()]


def _augmentation(config: TrainConfig, card: ModelCard) -> dict[str, Any]:
    chosen = [one for one in make_augmentations(config, card.image_size, card.mean) if not isinstance(one, TORCHVISIONS)]
    crop, jitter = config.resized_crop, config.colour_jitter
    transforms = {
        f"v2.RandomResizedCrop(SIZE, scale=({crop:g}, 1))": crop,
        "v2.TrivialAugmentWide()": config.trivial_augment,
        f"v2.ColorJitter(brightness={jitter:g}, contrast={jitter:g}, saturation={jitter:g}, hue={jitter / 4:g})": jitter,
    }
    targets = [target_of(Normalise), *(target_of(type(augmentation)) for augmentation in chosen)]
    alphas = {"MixUp": config.mixup, "CutMix": config.cutmix}
    return {
        "positions": Code("positions" if chosen else "_"),
        "augmentation_code": source_of(*targets, *([target_of(RandomDraws)] if chosen else [])),
        "augmentations": [constructor(augmentation, seed="SEED") for augmentation in chosen],
        "transforms": [Code(code) for code, is_on in transforms.items() if is_on],
        # torchvision's: this program's own need scipy
        "mixes": [Code(f"v2.{name}(alpha={alpha:g}, num_classes=len(CLASSES))") for name, alpha in alphas.items() if alpha],
    }


def _network(config: TrainConfig, card: ModelCard) -> dict[str, Any]:
    family = find_family(config.model)
    options = pick_options(config.model, {**config.model_options, **card.options})
    weights = options.pop("weights", "scratch")
    targets = [family.target] if weights == "scratch" else [family.target, family.loader]
    shape = {"channels": card.channels, "image_size": card.image_size, "classes": len(card.classes)}
    return {
        "network_code": source_of(*targets),
        "builder": Code(family.target.partition(":")[2]),
        "network_arguments": _arguments(options),
        "weights": weights,
        "loader": Code(family.loader.partition(":")[2]),
        "has_prepare": hasattr(build_on_meta(config.model, **shape, **options), "prepare"),
        "preparation_images": PREPARATION_IMAGES,
    }


def _optimizer(config: TrainConfig, stage_targets: Collection[str]) -> dict[str, Any]:
    build = OPTIMIZERS[config.optimizer]
    return {
        "optimizer": Code(build.__name__),
        "optimizer_code": source_of(target_of(build), *stage_targets),
        "optimizer_help": _first_line(build),
        "optimizer_arguments": _arguments(optimizer_settings(config), _numbers(config)),
    }


def _schedule(config: TrainConfig, card: ModelCard, has_stages: bool) -> dict[str, Any]:
    """Return the schedule, built with one step per epoch; in its code the script's variable `steps` replaces this number."""
    schedule, side = make_schedule(config, 1).then, make_resizing(config, 1, card.image_size)
    code = constructor(schedule, peak="peak" if has_stages else "LEARNING_RATE", steps="steps")
    if config.warmup:
        code = Code(f"WarmUp({code}, steps=round(WARMUP * steps))")
    kinds = [type(schedule), *([WarmUp] if config.warmup else []), *([ProgressiveResizing] if side else [])]
    return {
        "schedule": code,
        "schedule_code": source_of(*map(target_of, kinds)),
        "schedule_help": _first_line(type(schedule)),
        "adapts": type(schedule).observe is not Schedule.observe,
        "side": constructor(side, full="SIZE", start="START_SIDE", steps="steps") if side else None,
    }


def _first_line(definition: Any) -> str:
    """Return the first line of the docstring."""
    return (getdoc(definition) or "").partition("\n")[0]
