"""The settings of the group Training: how long, in which batches, and with which optimizer."""

from typing import Literal

from pydantic import BaseModel

from cnn_core.config.setting import Above, setting

GROUP = "Training"


class TrainingSettings(BaseModel):
    """Epochs, batch size and the optimizer."""

    epochs: int = setting(
        20,
        title="Epochs",
        group=GROUP,
        help="Number of passes over the training images. Use more until the validation accuracy stops rising; after that the model overfits.",
        ge=1,
        le=1000,
    )
    batch_size: int = setting(
        64,
        title="Batch size",
        group=GROUP,
        help="Number of images in one training step. Larger batches train faster per epoch; smaller ones often generalise better and need less memory.",
        ge=1,
        le=4096,
    )
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = setting(
        "adam",
        title="Optimizer",
        group=GROUP,
        help="The rule that turns gradients into weight updates. Adam and AdamW work with little tuning; SGD with momentum often reaches a higher accuracy in long runs; Muon is fast for convolutional networks.",
    )
    learning_rate: float = setting(
        0.001,
        title="Learning rate",
        group=GROUP,
        help="Size of the weight updates at the peak of the schedule. Lower it when the loss jumps or diverges; raise it when the loss falls slowly.",
        gt=0,
        le=10,
    )
    momentum: float = setting(
        0.9,
        title="Momentum",
        group=GROUP,
        only={"optimizer": ("sgd", "rmsprop", "muon")},
        help="Coefficient of the previous update in the next one. 0.9 is usual; lower it when the loss oscillates.",
        ge=0,
        le=0.999,
    )
    nesterov: bool = setting(
        True,
        title="Nesterov momentum",
        group=GROUP,
        only={"optimizer": ("sgd", "muon"), "momentum": Above(0)},
        help="Use the momentum of Nesterov, which computes the update at the point that the momentum leads to. It usually converges a little faster.",
    )
    adam_rate: float = setting(
        0.1,
        title="AdamW learning rate",
        unit="× learning rate",
        group=GROUP,
        only={"optimizer": ("muon",)},
        help="Muon updates matrices only. Biases, normalisation layers and the last layer are updated by AdamW with this multiple of the learning rate.",
        gt=0,
        le=10,
    )
    weight_decay: float = setting(
        0.0,
        title="Weight decay",
        group=GROUP,
        help="Pulls every weight towards zero, which reduces overfitting. Adam, SGD and RMSprop add it to the gradient; AdamW and Muon shrink the weights directly.",
        ge=0,
        le=1,
    )
    decay_all: bool = setting(
        False,
        title="Decay all parameters",
        group=GROUP,
        only={"weight_decay": Above(0)},
        help="Apply weight decay to biases and normalisation layers too. Usually only the weights of convolutions and linear layers decay.",
    )
