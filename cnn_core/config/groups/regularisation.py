"""The settings of the group Regularisation: what reduces overfitting beside augmentation and weight decay."""

from pydantic import BaseModel

from cnn_core.config.setting import setting

GROUP = "Regularisation"


class RegularisationSettings(BaseModel):
    """Dropout, label smoothing, gradient clipping, weight averaging, test-time augmentation and early stopping."""

    dropout: float = setting(
        0.25,
        title="Dropout",
        group=GROUP,
        help="Probability with which a unit of the fully connected layers is set to zero in a training step. Raise it when the model overfits.",
        ge=0,
        le=0.9,
    )
    label_smoothing: float = setting(
        0.0,
        title="Label smoothing",
        group=GROUP,
        help="Move this much probability from the true class to all classes. The model becomes less overconfident; 0.1 is usual.",
        ge=0,
        le=0.5,
    )
    clip_norm: float = setting(
        0.0,
        title="Gradient clipping",
        unit="norm",
        group=GROUP,
        help="Scale the gradient down to this norm where it is longer. Use it when the loss jumps; 0 is off.",
        ge=0,
        le=1000,
    )
    ema: float = setting(
        0.0,
        title="Weight averaging",
        unit="decay",
        group=GROUP,
        help="Validate and save an exponential moving average (EMA) of the weights, which is often more accurate. 0.99 averages over about 100 steps; 0 is off.",
        ge=0,
        le=0.9999,
    )
    mirror: bool = setting(
        False,
        title="Horizontal-flip test-time augmentation",
        group=GROUP,
        help="Average the predictions for the image and for its mirror image. It is a little more accurate and takes twice the time.",
        only={"flip": ("random", "alternating")},
    )
    patience: int = setting(
        0,
        title="Early stopping",
        unit="epochs",
        group=GROUP,
        help="Stop after this many epochs without a higher validation accuracy; 0 is off.",
        ge=0,
        le=1000,
    )
