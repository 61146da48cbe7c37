"""The exercises: for each an introduction, a question to predict, and the settings of two runs that differ in one change.

In: nothing. Out: EXERCISES, and the settings of run A (without the change) or run B (with it) on a data set. Importing this module does
not import torch. The settings were chosen so that on digits the effect is larger than the variation between seeds and a pair takes less
than half a minute; `python -m benchmarks.exercises` measures both.

Each of the tutorial's five exercises has one here, and so has each of its learning points that a pair of runs can show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.lessons.final_metrics import ACCURACY, GAP, LOSS, FinalMetric

Variant = Literal["A", "B"]
VARIANTS: tuple[Variant, Variant] = ("A", "B")
DIGITS = "digits"
# Half of the digits are validation images: one of 719 images changes the accuracy by 0.14 percentage points, one of the default 216 by 0.46.
DIGITS_SPLIT = {"validation_share": 0.5}
UNREGULARISED = {"crop": 0.0, "flip": "off", "dropout": 0.0}
SMALL = UNREGULARISED | {"width": 0.5}  # a quarter of the computation, and the same effects


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    kind: what it is in the tutorial. introduction: the concept. question: asks how `metric` changes. explanation: shown with the result.
    other_metrics: shown with the result too. variant_names: of runs A and B. common: settings of both runs. settings_a, settings_b:
    the settings in which they differ. photograph_settings_b: those of B that replace settings_b on other data sets than digits. terms: names
    of terms of the glossary.
    """

    name: str
    title: str
    icon: str
    kind: Literal["Learning point", "Exercise"]
    introduction: str
    question: str
    metric: FinalMetric
    variant_names: tuple[str, str]
    common: Mapping[str, Any]
    settings_a: Mapping[str, Any]
    settings_b: Mapping[str, Any]
    explanation: str
    source: str
    terms: tuple[str, ...]
    other_metrics: tuple[FinalMetric, ...] = ()
    photograph_settings_b: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, variant: Variant, data: str = DIGITS, seed: int = 0) -> TrainConfig:
        """Return the settings of run A or B. Raises SettingError."""
        split = DIGITS_SPLIT if data == DIGITS else {}
        change = (
            {**self.settings_b, **(self.photograph_settings_b if data != DIGITS else {})} if variant == "B" else self.settings_a
        )
        return make_config(**{**split, **self.common, **change, "data": data, "seed": seed})

    def variant_name(self, variant: Variant) -> str:
        """Return what run A or B is called: "no dropout"."""
        return self.variant_names[VARIANTS.index(variant)]


EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            name="augmentation",
            title="Augmentation",
            icon="auto_fix_high",
            kind="Learning point",
            introduction="Augmentation changes every training image slightly and at random each time it is used: it is shifted, rotated or "
            "mirrored. The class stays the same, so the model learns to ignore such changes. "
            "The model never sees exactly the same image twice. "
            "Validation images are not augmented.",
            question="How does augmentation change the gap between training and validation accuracy?",
            metric=GAP,
            variant_names=("no augmentation", "augmentation"),
            common=SMALL | {"epochs": 20, "learning_rate": 0.003},
            settings_a={"crop": 0.0, "rotation": 0.0},
            settings_b={"crop": 0.0625, "rotation": 10.0},
            photograph_settings_b={"crop": 0.125, "rotation": 0.0, "flip": "random"},
            other_metrics=(ACCURACY,),
            explanation="Augmented images are harder to classify and differ in every epoch, so the training accuracy of B is lower. What the "
            "model learns from them also holds for new images, so the gap becomes smaller. The validation accuracy only rises if the changes "
            "are similar to those between real images. These digits were centred when they were collected, so shifts may not help here.",
            source="A. Krizhevsky and others, ImageNet Classification with Deep Convolutional Neural Networks (2012)",
            terms=("crop", "rotation", "flip", "overfitting"),
        ),
        Exercise(
            name="dropout",
            title="Dropout",
            icon="blur_on",
            kind="Learning point",
            introduction="Dropout sets the output of randomly chosen units to zero in every training step. "
            "No unit can rely on one other unit, so several units learn to detect the same pattern. "
            "For predictions, all units are active. "
            "Dropout takes no additional time.",
            question="How does dropout change the gap between training and validation accuracy?",
            metric=GAP,
            variant_names=("no dropout", "30% dropout"),
            common=SMALL | {"epochs": 20, "learning_rate": 0.003},
            settings_a={"dropout": 0.0},
            settings_b={"dropout": 0.3},
            other_metrics=(ACCURACY,),
            explanation="Training accuracy is measured with dropout and validation accuracy without it. The training curve of B can "
            "therefore be below its validation curve, and the gap can be negative. Dropout reduces overfitting, but a smaller gap alone does "
            "not make a better model: compare the validation accuracy too. Dropout helps most if the network is large for its data set.",
            source="N. Srivastava and others, Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014)",
            terms=("dropout", "overfitting", "validation"),
        ),
        Exercise(
            name="batch-norm",
            title="Batch norm",
            icon="align_vertical_center",
            kind="Exercise",
            introduction="Batch norm normalises each channel over the batch: it subtracts the mean and divides by the standard deviation. "
            "The inputs of every layer then have a similar scale, whatever the layers before it do. "
            "A learned scale and shift for each channel can undo the normalisation where it does not help.",
            question="Four convolution blocks, four epochs: how does batch norm change the validation accuracy?",
            metric=ACCURACY,
            variant_names=("no batch norm", "batch norm"),
            common=SMALL | {"epochs": 4, "depth": 4, "learning_rate": 0.002},
            settings_a={"batch_norm": False},
            settings_b={"batch_norm": True},
            other_metrics=(LOSS,),
            explanation="Without batch norm, the activations shrink from layer to layer, and so do the gradients on their way back: the "
            "first layers hardly learn. With batch norm, the inputs of every layer have a similar scale from the first step on. Networks with "
            "batch norm can also be trained at higher learning rates.",
            source="S. Ioffe and C. Szegedy, Batch Normalization (2015)",
            terms=("batch_norm", "learning_rate", "depth"),
        ),
        Exercise(
            name="schedule",
            title="Learning-rate schedule",
            icon="trending_down",
            kind="Exercise",
            introduction="The learning rate is the step size of the optimizer. "
            "A high learning rate makes fast progress but then oscillates around the minimum; a low one converges but takes long. "
            "A schedule changes the learning rate during training. "
            "The cosine schedule starts high and follows half a cosine down to zero.",
            question="Both runs start with the same high learning rate. How does a decrease to zero change the validation loss?",
            metric=LOSS,
            variant_names=("constant", "cosine"),
            common=SMALL | {"epochs": 12, "batch_size": 16, "learning_rate": 0.008, "warmup": 0.0},
            settings_a={"schedule": "constant"},
            settings_b={"schedule": "cosine"},
            other_metrics=(ACCURACY,),
            explanation="Every step uses the gradient of one batch, which differs from the gradient over all images. With a constant learning "
            "rate this noise never ends. When the learning rate decreases, the noise averages out and the weights converge. Compare the last "
            "epochs of both curves.",
            source="I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)",
            terms=("schedule", "schedule-cosine", "learning_rate"),
        ),
        Exercise(
            name="resnet-blocks",
            title="Residual blocks",
            icon="fork_right",
            kind="Exercise",
            introduction="A residual block adds its input to its output through a shortcut. "
            "Its convolutions only learn the difference; if no change is needed, their output is zero, which is easy to learn. "
            "The shortcut passes the gradient back without weakening it.",
            question="A plain network with five convolution blocks and a ResNet with eight convolutions and two shortcuts, trained for five "
            "epochs: how does the ResNet change the validation accuracy?",
            metric=ACCURACY,
            variant_names=("plain network", "ResNet-9"),
            common=UNREGULARISED | {"epochs": 5, "learning_rate": 0.002},
            settings_a={"model": "simple", "depth": 5, "width": 0.5},
            settings_b={"model": "resnet9", "width": 0.25},
            other_metrics=(LOSS,),
            explanation="Depth alone makes a network harder to train, because the gradient passes through all later layers before it reaches "
            "the first ones. Shortcuts give it a direct path, so networks of a hundred layers can be trained. Like all ResNets, this one also "
            "has batch norm, so this exercise cannot separate the two effects.",
            source="K. He and others, Deep Residual Learning for Image Recognition (2015)",
            terms=("residual", "model-resnet9", "depth", "batch_norm"),
        ),
        Exercise(
            name="optimizers",
            title="Optimizers",
            icon="explore",
            kind="Exercise",
            introduction="The optimizer updates the weights from the gradients. "
            "Plain SGD changes them in the direction opposite to the gradient of the batch. "
            "Momentum adds a fraction of the previous update. "
            "Adam also gives every weight a step size of its own, which depends on the size of its past gradients.",
            question="SGD without momentum and Adam, each with a usual learning rate, trained for eight epochs: how does Adam change the "
            "validation accuracy?",
            metric=ACCURACY,
            variant_names=("SGD, no momentum", "Adam"),
            common=SMALL | {"epochs": 8},
            settings_a={"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
            settings_b={"optimizer": "adam"},
            other_metrics=(LOSS,),
            explanation="At the start the gradients of this network are small, so plain SGD takes small steps. Adam divides by the size of "
            "the gradients and makes progress from the first step. With momentum, a well-tuned learning rate and more epochs, SGD reaches the "
            "same accuracy, and on photographs often a higher one.",
            source="D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization (2015)",
            terms=("optimizer", "optimizer-sgd", "optimizer-adam", "momentum"),
        ),
        Exercise(
            name="capacity",
            title="Capacity",
            icon="width",
            kind="Exercise",
            introduction="Capacity is how complex the patterns are that a network can learn. It grows with the number of channels and layers. "
            "Four times as many channels mean about sixteen times as many weights and computations. "
            "A network that is too small cannot fit even the training images; one that is larger than needed can overfit.",
            question="Four times as many channels, trained for eight epochs: how does the validation accuracy change?",
            metric=ACCURACY,
            variant_names=("narrow network", "wide network"),
            common=UNREGULARISED | {"epochs": 8},
            settings_a={"width": 0.25},
            settings_b={"width": 1.0},
            other_metrics=(GAP,),
            explanation="The wide network can learn more patterns. In eight epochs it reaches an accuracy for which the narrow network needs "
            "more epochs. Its disadvantage is a larger gap; regularisation, such as dropout, is useful for such networks.",
            source="S. Zagoruyko and N. Komodakis, Wide Residual Networks (2016)",
            terms=("width", "depth", "overfitting"),
        ),
        Exercise(
            name="epochs",
            title="Epochs",
            icon="repeat",
            kind="Learning point",
            introduction="An epoch is one pass over all training images. "
            "The weights are updated after every batch, so more epochs are more updates. "
            "After too few updates the weights are far from a minimum of the loss; after too many the model can overfit. "
            "The epoch whose weights are kept is selected by the validation accuracy.",
            question="Three epochs and twenty epochs: how do more epochs change the validation accuracy?",
            metric=ACCURACY,
            variant_names=("3 epochs", "20 epochs"),
            common=SMALL | {"learning_rate": 0.002},
            settings_a={"epochs": 3},
            settings_b={"epochs": 20},
            other_metrics=(GAP,),
            explanation="Three epochs are too few for the weights to converge. With twenty epochs, both curves rise and then level off. If "
            "the gap has become larger, the additional epochs also caused overfitting.",
            source="L. Prechelt, Early Stopping, But When? (1998)",
            terms=("epochs", "validation", "overfitting"),
        ),
    )
}


def find_exercise(name: str) -> Exercise:
    """Return the exercise called `name`. Raises StudioError, which lists the exercises."""
    if name not in EXERCISES:
        raise StudioError(f"There is no exercise “{name[:40]}”. Choose one of: {', '.join(EXERCISES)}.")
    return EXERCISES[name]
