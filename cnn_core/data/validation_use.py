"""What becomes of the validation images of a data set without test images: its test set, or its validation images as before.

In: the numbers of images, and the choice of a person. Out: sentences about it, and the error of an import that has to ask. Where the
validation images become the test set, a fraction of the training images is used for validation; where they stay, a fraction of the training
images becomes the test set. Importing this module does not import torch.
"""

from dataclasses import dataclass

from cnn_core.errors import DataError
from cnn_core.text import counted

UNDECIDED, AS_TEST, AS_VALIDATION = "", "test", "validation"
CHOICES = (AS_TEST, AS_VALIDATION)
QUESTION = "The data set has {val} and no test images. Choose what the validation images are used for."
DECIDE = "The question is shown on the Data page."
USED_AS_TEST = (
    "The data set has no test folder, so its {val} became the test set. A fraction of the training images is used for validation."
)
KEPT = "The data set has {val} and no test images, so {drawn} of its training images became the test set."
CHANGE = "To use the validation images as the test set, choose this on the Data page under “Classes and splits”, or run “data split {name} --validation-as test” in a terminal."
NOT_A_CHOICE = "Validation images are used as test or as validation. Choose one of these."
NOT_TO_CHOOSE = "Data set “{name}” has no validation images, or has test images of its own, so there is nothing to choose."


@dataclass(frozen=True)
class SplitQuestion:
    """The numbers of images to decide on: training and validation images of the source, and how many training images would be drawn for testing."""

    train: int
    val: int
    drawn: int

    @property
    def sentence(self) -> str:
        """The question in words."""
        return QUESTION.format(val=name_validation(self.val))


class UndecidedError(DataError):
    """An import has to ask what the validation images are used for. `question`: the numbers to show."""

    def __init__(self, question: SplitQuestion) -> None:
        super().__init__(f"{question.sentence} {DECIDE}")
        self.question = question


def name_validation(count: int) -> str:
    """Return "1 validation image" or "40 validation images"."""
    return counted(count, "validation image")


def describe_use(name: str, validation_as: str, val: int, drawn: int) -> str:
    """Return what the validation images of data set `name` are used for; with the way to change it where nobody has chosen."""
    if validation_as == AS_TEST:
        return USED_AS_TEST.format(val=name_validation(val))
    kept = KEPT.format(val=name_validation(val), drawn=f"{drawn:,}")
    return kept if validation_as else f"{kept} {CHANGE.format(name=name)}"
