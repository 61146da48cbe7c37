"""What a network's logits say of every image, in numbers that lists and figures are made of. In: logits and labels. Out: Scores.

Logits may be a file of 100,000 images by 1,000 classes: they are gone through once, in blocks, in float64.
"""

from dataclasses import dataclass

import numpy as np

BLOCK = 2**16  # logits at a time: half a megabyte in float64, which the processor's cache holds
KINDS = (np.int64, *(np.float64,) * 5, np.int64)  # of the columns of Scores


@dataclass(frozen=True, eq=False)
class Scores:
    """Of every image, each (N,). `predicted` int64: the most probable class. float64: `confidence`, its probability; `runner_up`, that of
    the second; `truth`, that of the true class; `loss`, its cross-entropy (nats); `log_sum`, the logarithm of the softmax's denominator.
    `rank` int64: how many classes stand before the true one, from the most probable down, equally probable ones in the classes' order."""

    predicted: np.ndarray
    confidence: np.ndarray
    runner_up: np.ndarray
    truth: np.ndarray
    loss: np.ndarray
    log_sum: np.ndarray
    rank: np.ndarray


def score(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> Scores:
    """logits (N, classes) float32, divided by `temperature`; labels (N,) int64."""
    step = max(1, BLOCK // logits.shape[1])
    scores = Scores(*(np.empty(len(labels), kind) for kind in KINDS))
    columns = tuple(vars(scores).values())
    with np.errstate(all="ignore"):  # a network that diverged gives what is no number
        for at in range(0, len(labels), step):
            rows = slice(at, at + step)
            # Copied, for what is kept of a block would lie between the large ones that come and go, and hold gigabytes of them.
            for column, split in zip(columns, _score_block(logits[rows], labels[rows], temperature), strict=True):
                column[rows] = split
    return scores


def _score_block(logits: np.ndarray, labels: np.ndarray, temperature: float) -> tuple[np.ndarray, ...]:
    """The columns of Scores, in their order. NumPy, for torch's threads waited for each other here: with other work on two cores that
    took ten times the processor's time."""
    values, every = np.asarray(logits, np.float64) / temperature, np.arange(len(logits))
    own = values[every, labels][:, None]
    rank = np.count_nonzero(~(values <= own), axis=1)  # no number (of a network that diverged) is no reason to stand in front
    rank += np.count_nonzero((values == own) & (np.arange(values.shape[1]) < labels[:, None]), axis=1)
    predicted = values.argmax(1)
    highest = values[every, predicted]
    log_sum = _log_sum(values, highest)
    values[every, predicted] = -np.inf  # the last use of `values`
    second = values.max(1)
    loss = log_sum - own[:, 0]
    return predicted, np.exp(highest - log_sum), np.exp(second - log_sum), np.exp(-loss), loss, log_sum, rank


def _log_sum(values: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of the exponentials of each row (n, classes), whose largest is `highest`; (n,)."""
    shift = np.where(np.isfinite(highest), highest, 0.0)
    return shift + np.log(np.exp(values - shift[:, None]).sum(1))
