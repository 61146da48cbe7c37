"""Helpers for forms: find fields and buttons by their label, write folders of images."""

import io

import numpy as np
import torch
from PIL import Image

from cnn_core.config.schema import TrainConfig, label
from cnn_core.models.registry import build_model

FIELDS = TrainConfig.model_fields

# Settings that have an effect only with certain others, and these others.
ONLY_WITH = {
    "momentum": {"optimizer": "rmsprop"},
    "nesterov": {"optimizer": "sgd"},
    "adam_rate": {"optimizer": "muon"},
    "drop_at": {"schedule": "step"},
    "drop_factor": {"schedule": "plateau"},
    "plateau_patience": {"schedule": "plateau"},
    "knots": {"schedule": "linear"},
    "timm_name": {"model": "timm", "weights": "scratch"},
    "weights": {"model": "mobilenet"},
    "train": {"model": "mobilenet", "weights": "pretrained"},
    "trained_blocks": {"model": "mobilenet", "weights": "pretrained", "train": "blocks"},
    "layer_decay": {"model": "mobilenet", "weights": "pretrained"},
    "frozen_norm": {"model": "mobilenet", "weights": "pretrained"},
    "head_epochs": {"model": "mobilenet", "weights": "pretrained"},
    "fine_tuning_rate": {"model": "mobilenet", "weights": "pretrained"},
    "start_side": {"model": "speed"},
    "mirror": {"flip": "random"},
    "decay_all": {"weight_decay": 0.1},
}


def drawn_bar():
    """Return a PNG file of a vertical white bar on black, like a drawn 1."""
    pixels, out = np.zeros((60, 60), np.uint8), io.BytesIO()
    pixels[10:50, 27:33] = 255
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def widgets_of(at, name):
    """Return the widgets of the setting `name`, found by its label."""
    widgets = [*at.number_input, *at.selectbox, *at.toggle, *at.text_input]
    return [widget for widget in widgets if widget.label == label(name)]


def field(at, name):
    (widget,) = widgets_of(at, name)
    return widget


def fill(at, **chosen):
    """Set fields one after the other, because some change which fields are shown."""
    for name, value in chosen.items():
        field(at, name).set_value(value).run()
    return at


def buttons(at):
    return {button.label: button for button in at.button}


def press(at, text):
    return buttons(at)[text].click().run()


def press_start(at):
    return at.button(key="start-training").click().run()


def shown(at):
    """Return the metrics on the page by their labels."""
    return {metric.label: metric.value for metric in at.metric}


def choose_folder(open_page, path, page="configure"):
    at = open_page(page)
    field(at, "data").set_value("folder").run()
    return at.text_input[0].set_value(str(path)).run()


def make_folder(root, *classes, images=10, size=16):
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(images):
            Image.new("RGB", (size, size), (20 * number, 40, 90)).save(root / name / f"{number}.png")
    return root


def parameters(name, side=32, channels=1, classes=10, **options):
    """Return the number of trainable parameters of a model."""
    with torch.device("meta"):
        model = build_model(name, channels=channels, image_size=side, classes=classes, **options)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def facts_of(*, train, test, classes, side, colour):
    """Return the line with the facts of a data set of more than one image and class."""
    return f"{train:,} training images · {test:,} test images · {classes} classes · {side}×{side} {colour}"
