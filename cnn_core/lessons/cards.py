"""The exercises: for each what it is about, a question to answer first, and the settings of two runs that differ in one thing.

In: nothing. Out: LESSONS, and for a lesson the settings of its run A (without) or B (with) on a data set. Importing this module does not
import torch. The settings were chosen on digits so that the effect is larger than the spread of the seeds within half a minute;
`python -m benchmarks.exercises` measures whether it still is.

Each of the tutorial's five exercises has a lesson, and so have those of its learning points that a pair of runs can show.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.lessons.measures import ACCURACY, GAP, LOSS, Measure

Side = Literal["A", "B"]
SIDES: tuple[Side, Side] = ("A", "B")
DIGITS = "digits"
# Half of the digits are kept apart: one of 719 images is worth 0.14 points, one of the usual 216 would be worth 0.46.
ON_DIGITS = {"validation_share": 0.5}
PLAIN = {"crop": 0.0, "flip": "off", "dropout": 0.0}
SMALL = PLAIN | {"width": 0.5}  # a quarter of the work, and the same effects


@dataclass(frozen=True)
class Lesson:
    """One card. `kind`: what it is in the tutorial. `learn`: what it is about; `question`: what to predict of `measure`; `why`: the
    explanation, to be shown after the outcome; `others`: measures that are told besides.

    `names` of the runs A and B; their settings are `common` with `without` or `with_`, and those of `photographs` in place of B's for
    other sets than digits. `terms`: words of the glossary.
    """

    name: str
    title: str
    icon: str
    kind: Literal["Learning point", "Exercise"]
    learn: str
    question: str
    measure: Measure
    names: tuple[str, str]
    common: dict[str, Any]
    without: dict[str, Any]
    with_: dict[str, Any]
    why: str
    source: str
    terms: tuple[str, ...]
    others: tuple[Measure, ...] = ()
    photographs: dict[str, Any] = field(default_factory=dict)

    def settings(self, side: Side, data: str = DIGITS, seed: int = 0) -> TrainConfig:
        """The settings of run `side`. Raises SettingError."""
        own = self.without if side == "A" else self.with_ | (self.photographs if data != DIGITS else {})
        kept_apart = ON_DIGITS if data == DIGITS else {}
        return make_config(**{**kept_apart, **self.common, **own, "data": data, "seed": seed})


LESSONS: dict[str, Lesson] = {
    lesson.name: lesson
    for lesson in (
        Lesson(
            name="augmentation",
            title="Augmentation",
            icon="auto_fix_high",
            kind="Learning point",
            learn="Augmentation shows the network every training image a little differently each time: shifted, turned, mirrored. "
            "The class stays the same, so the network learns that such changes do not matter. "
            "It never sees exactly the same picture twice, which makes it hard to learn the pictures by heart. "
            "Validation images are never changed.",
            question="What will happen to the gap between training and validation accuracy when every training image is changed a little at random?",
            measure=GAP,
            names=("as they are", "changed at random"),
            common=SMALL | {"epochs": 20, "learning_rate": 0.003},
            without={"crop": 0.0, "rotation": 0.0},
            with_={"crop": 0.0625, "rotation": 10.0},
            photographs={"crop": 0.125, "rotation": 0.0, "flip": "random"},
            others=(ACCURACY,),
            why="The training images of B are harder, because no two passes show the same ones, so its training accuracy falls; what it "
            "learns holds for new images too. The gap closes from above. Whether validation accuracy itself rises depends on whether "
            "the changes are like those that new images bring: these digits were centred when they were collected.",
            source="A. Krizhevsky and others, ImageNet Classification with Deep Convolutional Neural Networks (2012)",
            terms=("crop", "rotation", "flip", "overfitting"),
        ),
        Lesson(
            name="dropout",
            title="Dropout",
            icon="blur_on",
            kind="Learning point",
            learn="Dropout switches off a random share of the units in every training step. "
            "No unit can rely on one certain other unit being there, so several learn to tell the same thing. "
            "When the network is asked for an answer all units are on. "
            "It is a means against learning by heart, and costs no time.",
            question="What will happen to the gap between training and validation accuracy with dropout?",
            measure=GAP,
            names=("no dropout", "30 % switched off"),
            common=SMALL | {"epochs": 20, "learning_rate": 0.003},
            without={"dropout": 0.0},
            with_={"dropout": 0.3},
            others=(ACCURACY,),
            why="Training accuracy is measured while units are switched off, validation accuracy with all of them on: so with dropout the "
            "training curve may even lie below the validation curve, and the gap be negative. A smaller gap is no merit of its own; "
            "look at validation accuracy too. Dropout pays where a network is large for its data.",
            source="N. Srivastava and others, Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014)",
            terms=("dropout", "overfitting", "validation"),
        ),
        Lesson(
            name="batch-norm",
            title="Batch norm",
            icon="align_vertical_center",
            kind="Exercise",
            learn="Batch norm looks at each channel over the whole batch, subtracts its mean and divides by its deviation. "
            "Every layer then gets inputs of the same size, whatever the layers before it do. "
            "Two learned numbers for each channel can undo this where it is not wanted. "
            "Networks with it can be trained at higher learning rates, and deeper ones train at all.",
            question="Four convolution blocks, four epochs: what will happen to the validation accuracy with batch norm?",
            measure=ACCURACY,
            names=("without", "batch norm"),
            common=SMALL | {"epochs": 4, "depth": 4, "learning_rate": 0.002},
            without={"batch_norm": False},
            with_={"batch_norm": True},
            others=(LOSS,),
            why="Without it the values shrink from layer to layer, and with them the slopes that come back: the first layers hardly move. "
            "With batch norm every layer gets values of the same size from the first step on.",
            source="S. Ioffe and C. Szegedy, Batch Normalization (2015)",
            terms=("batch_norm", "learning_rate", "depth"),
        ),
        Lesson(
            name="schedule",
            title="Rate schedule",
            icon="trending_down",
            kind="Exercise",
            learn="The learning rate says how far one step moves the weights. "
            "A high rate gets far quickly, but then jumps about around the best place; a low rate settles, but takes long. "
            "A schedule has both: it begins high and falls. "
            "The cosine schedule follows half a cosine down to zero.",
            question="The same high rate at the start: what will happen to the validation loss when the rate falls to zero?",
            measure=LOSS,
            names=("constant rate", "cosine"),
            common=SMALL | {"epochs": 12, "batch_size": 16, "learning_rate": 0.008, "warmup": 0.0},
            without={"schedule": "constant"},
            with_={"schedule": "cosine"},
            others=(ACCURACY,),
            why="Every step follows the slope of one batch, which is not quite the slope of all images. At a constant rate this noise never "
            "ends; when the rate falls, it averages out and the weights come to rest. Look at the last epochs of both curves.",
            source="I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)",
            terms=("schedule", "schedule-cosine", "learning_rate"),
        ),
        Lesson(
            name="resnet-blocks",
            title="ResNet blocks",
            icon="fork_right",
            kind="Exercise",
            learn="A ResNet block adds its input to its output by a shortcut. "
            "The convolutions inside need to learn only what to change, and to change nothing is easy: all zeros. "
            "On the way back the shortcut carries the slope past the convolutions undiminished. "
            "So networks of twenty or a hundred layers can be trained.",
            question="Five plain convolution blocks against eight convolutions with two shortcuts: where will the validation accuracy be after five epochs?",
            measure=ACCURACY,
            names=("plain, 5 blocks", "ResNet-9"),
            common=PLAIN | {"epochs": 5, "learning_rate": 0.002},
            without={"model": "simple", "depth": 5, "width": 0.5},
            with_={"model": "resnet9", "width": 0.25},
            others=(LOSS,),
            why="Depth alone makes a network harder to train, because what comes back to the first layers has passed through all the others. "
            "Shortcuts are the way around. This ResNet also has batch norm, as all have: the pair does not tell the two apart.",
            source="K. He and others, Deep Residual Learning for Image Recognition (2015)",
            terms=("model-resnet9", "depth", "batch_norm"),
        ),
        Lesson(
            name="optimizers",
            title="Optimizers",
            icon="explore",
            kind="Exercise",
            learn="The optimizer turns slopes into steps. "
            "Plain SGD goes straight down the slope of the moment. "
            "Momentum keeps some of the last direction, like a ball that rolls. "
            "Adam also gives every weight a step size of its own, from how large its slopes have been.",
            question="SGD without momentum against Adam, each at a usual rate: what will happen to the validation accuracy after eight epochs?",
            measure=ACCURACY,
            names=("SGD, no momentum", "Adam"),
            common=SMALL | {"epochs": 8},
            without={"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
            with_={"optimizer": "adam"},
            others=(LOSS,),
            why="At the start the slopes of this network are small, so plain SGD takes small steps. Adam divides by the size of the slopes and "
            "moves at once. With momentum, a well-chosen rate and more epochs SGD gets there too, on photographs often further.",
            source="D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization (2015)",
            terms=("optimizer", "optimizer-sgd", "optimizer-adam", "momentum"),
        ),
        Lesson(
            name="capacity",
            title="Capacity",
            icon="width",
            kind="Exercise",
            learn="Capacity is how much a network can tell apart: how many channels and layers it has. "
            "Four times as many channels are about sixteen times as many weights, and as much work. "
            "A network that is too small cannot fit even the training images. "
            "One that is larger than needed learns more quickly, but also by heart.",
            question="Four times as many channels: what will happen to the validation accuracy after eight epochs?",
            measure=ACCURACY,
            names=("a quarter of the width", "full width"),
            common=PLAIN | {"epochs": 8},
            without={"width": 0.25},
            with_={"width": 1.0},
            others=(GAP,),
            why="The wide network finds useful patterns among more of them, and reaches in eight epochs what the narrow one would take longer "
            "for. Its gap is the price; means against learning by heart, like dropout, are for such networks.",
            source="S. Zagoruyko and N. Komodakis, Wide Residual Networks (2016)",
            terms=("width", "depth", "overfitting"),
        ),
        Lesson(
            name="epochs",
            title="Epochs",
            icon="repeat",
            kind="Learning point",
            learn="An epoch is one pass over all training images. "
            "In the first ones every pass helps; later ones bring less and less. "
            "At some point the training curve goes on rising and the validation curve does not: what is learned then holds for the "
            "training images only. "
            "That is why the best epoch is chosen on images that are kept apart.",
            question="Three epochs against twenty: what will happen to the validation accuracy?",
            measure=ACCURACY,
            names=("3 epochs", "20 epochs"),
            common=SMALL | {"learning_rate": 0.002},
            without={"epochs": 3},
            with_={"epochs": 20},
            others=(GAP,),
            why="Three passes are too few for the weights to get far. With twenty both curves rise, and then flatten. Where the gap has become "
            "larger, the additional epochs also went into learning by heart.",
            source="L. Prechelt, Early Stopping, But When? (1998)",
            terms=("epochs", "validation", "overfitting"),
        ),
    )
}


def find_lesson(name: str) -> Lesson:
    """The lesson called `name`. Raises StudioError, which tells those that there are."""
    if name not in LESSONS:
        raise StudioError(f"There is no exercise “{name[:40]}”. Choose one of: {', '.join(LESSONS)}.")
    return LESSONS[name]
