"""The verdict on a prediction: whether it is sure, and whether the image is unlike the training images. The same on pages, in tables and JSON.

In: the probability of the predicted class, the run's threshold (Evaluate page, Calibration), and the distance from the training images
(see `inference.distribution`). Out: a Verdict with its word and its fields.
"""

from dataclasses import dataclass

SURE, UNSURE, UNLIKE = "sure", "not sure", "unlike the training images"


@dataclass(frozen=True)
class Verdict:
    """`threshold`: the probability (0..1) from which a prediction is sure, None if the run has none. `distance`: of the image from the
    training images, None where they were not compared. Above 1 it is farther from them than 99% of the training images, and of the validation images.
    """

    probability: float
    threshold: float | None = None
    distance: float | None = None

    @property
    def is_sure(self) -> bool | None:
        """Whether the probability reaches the threshold; None without a threshold."""
        return None if self.threshold is None else self.probability >= self.threshold

    @property
    def is_unlike(self) -> bool | None:
        """Whether the image is unlike the training images; None where they were not compared."""
        return None if self.distance is None else self.distance > 1

    @property
    def word(self) -> str:
        """UNLIKE, UNSURE or SURE, the first of them that holds; "" if the run has no threshold and the image is not unlike."""
        if self.is_unlike:
            return UNLIKE
        return {True: SURE, False: UNSURE, None: ""}[self.is_sure]

    def fields(self) -> dict[str, float | bool | str | None]:
        """Return the fields that JSON and tables have in common, None for what is absent."""
        return {
            "probability": self.probability,
            "threshold": self.threshold,
            "is_sure": self.is_sure,
            "distance": self.distance,
            "is_unlike_training": self.is_unlike,
            "verdict": self.word or None,
        }


def judge(probability: float, threshold: float, distance: float | None = None) -> Verdict:
    """Return the verdict. `threshold`: that of the run's calibration, 0 for none."""
    return Verdict(float(probability), threshold or None, None if distance is None else float(distance))
