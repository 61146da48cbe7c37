"""Optimizer, schedule and training loop written out in plain torch: a part of the training script.

In: settings and a card. Out: Python code with a function `main`, which trains, keeps the best network and tests it.
"""

from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import parse_knots, parse_milestones
from cnn_core.export.written import write_out
from cnn_core.export.written_network import starting
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard

OPTIMIZERS = {
    "adam": ("torch.optim.Adam(parameters, lr=LEARNING_RATE)", "Adam (D. Kingma and J. Ba, 2015)."),
    "adamw": ("torch.optim.AdamW(parameters, lr=LEARNING_RATE)", "AdamW (I. Loshchilov and F. Hutter, 2019)."),
    "sgd": ("torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM{nesterov})", "Gradient descent with momentum."),
    "rmsprop": ("torch.optim.RMSprop(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)", "RMSprop (G. Hinton, 2012)."),
    "muon": ("", "Muon (K. Jordan et al., 2024), with AdamW beside it."),
}
SCHEDULES = {
    "constant": "The learning rate stays as it is.",
    "cosine": "The learning rate falls along half a cosine (I. Loshchilov and F. Hutter, 2017).",
    "step": "The learning rate drops at fixed places.",
    "onecycle": "The learning rate rises and falls in one cycle (L. Smith and N. Topin, 2018).",
    "linear": "The learning rate moves in straight lines between knots.",
    "plateau": "The learning rate drops when the validation loss no longer falls.",
}
DTYPES = {"auto": "torch.bfloat16", "bfloat16": "torch.bfloat16", "float16": "torch.float16", "float32": ""}


def write_optimizer(config: TrainConfig, card: ModelCard) -> str:
    """The cells of optimizer and schedule."""
    made, text = OPTIMIZERS[config.optimizer]
    is_nesterov = config.nesterov and config.momentum > 0
    places = {
        "factor": f"{config.drop_factor:g}",
        "patience": config.plateau_patience,
        "places": parse_milestones(config.drop_at),
        "knots": parse_knots(config.knots),
    }
    schedule = write_out(f"schedule_{config.schedule}", places, ()).rstrip()
    holds = training_facts(config, card) | ({"nesterov"} if is_nesterov else set())
    values = {
        "optimizer": made.format(nesterov=", nesterov=True" if is_nesterov else ""),
        "optimizer_text": text,
        "schedule_text": SCHEDULES[config.schedule],
        "schedule": schedule,
    }
    return write_out("optimizer", values, holds)


def write_training(config: TrainConfig, card: ModelCard) -> str:
    """The cells of the loop and of what is around it."""
    holds = training_facts(config, card)
    values = {
        "device": config.device,
        "layout": "" if config.channels_last == "off" else ", memory_format=torch.channels_last",
        "shown": "ShownAlternating" if "alternating" in holds else "Shown",
        "rate": "rate_with_warmup" if config.warmup else "rate",
        "dtype": DTYPES[config.precision],
        "enabled": ', enabled=device.type == "cuda"' if config.precision == "auto" else "",
        "forward": "forward" if "compile" in holds else "model",
        "measured": "measured" if "ema" in holds else "model",
    }
    return write_out("train", values, holds)


def training_facts(config: TrainConfig, card: ModelCard) -> set[str]:
    """The names that hold of a training, for the conditions in the text files."""
    facts = {
        "muon": config.optimizer == "muon",
        "momentum": config.optimizer in ("sgd", "rmsprop", "muon"),
        "decay_all": config.decay_all,
        "warmup": config.warmup > 0,
        "plateau": config.schedule == "plateau",
        "growing": start_side(config, card) < card.image_size,
        "mix": bool(config.mixup or config.cutmix),
        "alternating": config.flip == "alternating",
        "mirror": card.mirror,
        "clip": config.clip_norm > 0,
        "ema": config.ema > 0,
        "patience": config.patience > 0,
        "speed": config.model == "speed",
        "auto_device": config.device == "auto",
        "deterministic": config.deterministic,
        "autocast": config.precision != "float32",
        "float16": config.precision == "float16",
        "compile": config.compile == "on",
    }
    return {name for name, holds in facts.items() if holds} | starting(starting_weights(config))


def starting_weights(config: TrainConfig) -> str:
    """What the network starts from, "scratch" for families that take nothing else."""
    return config.model_options.get("weights", "scratch")


def start_side(config: TrainConfig, card: ModelCard) -> int:
    """Pixels of the training images at the start; those of the card where they do not grow."""
    family = FAMILIES[config.model]
    grown = max(family.smallest, round(config.start_side * card.image_size))
    return min(card.image_size, grown) if family.takes_any_side else card.image_size
