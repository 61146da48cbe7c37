"""Predicted class, confidence, loss and rank of each image. In: logits and labels. Out: Scores.

Logits may be a memory-mapped file of 100,000 images by 1,000 classes: they are read once, in blocks, in float64.
"""

from dataclasses import dataclass

import numpy as np

BLOCK = 2**16  # logits at a time: 512 kB in float64, which fits the processor's cache
DTYPES = (np.int64, *(np.float64,) * 5, np.int64)  # of the columns of Scores


@dataclass(frozen=True, eq=False)
class Scores:
    """Arrays (N,), an entry for each image. `predicted` int64: the most probable class. float64: `confidence`, its probability;
    `second_confidence`, that of the second most probable; `true_probability`, that of the true class; `loss`, the cross-entropy (nats);
    `log_sum`, the logarithm of the softmax's denominator. `rank` int64: how many classes are ranked above the true one by probability, equal
    ones in the order of the classes."""

    predicted: np.ndarray
    confidence: np.ndarray
    second_confidence: np.ndarray
    true_probability: np.ndarray
    loss: np.ndarray
    log_sum: np.ndarray
    rank: np.ndarray


def compute_scores(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> Scores:
    """Return the scores of logits (N, classes) float32, which are divided by `temperature`, and labels (N,) int64."""
    step = max(1, BLOCK // logits.shape[1])
    scores = Scores(*(np.empty(len(labels), kind) for kind in DTYPES))
    columns = tuple(vars(scores).values())
    with np.errstate(all="ignore"):  # a diverged model gives NaN
        for at in range(0, len(labels), step):
            rows = slice(at, at + step)
            # Copied: small arrays allocated between large temporary ones would keep gigabytes of memory from being freed.
            for column, values in zip(columns, _score_block(logits[rows], labels[rows], temperature), strict=True):
                column[rows] = values
    return scores


def _score_block(logits: np.ndarray, labels: np.ndarray, temperature: float) -> tuple[np.ndarray, ...]:
    """Return the columns of Scores, in their order. NumPy is used because torch's threads wait for each other here: ten times slower if two
    cores are busy."""
    values, rows = np.asarray(logits, np.float64) / temperature, np.arange(len(logits))
    of_true = values[rows, labels][:, None]
    rank = np.count_nonzero(~(values <= of_true), axis=1)  # a NaN is not ranked above the others
    rank += np.count_nonzero((values == of_true) & (np.arange(values.shape[1]) < labels[:, None]), axis=1)
    predicted = values.argmax(1)
    highest = values[rows, predicted]
    log_sum = _log_sum(values, highest)
    values[rows, predicted] = -np.inf  # the last use of `values`
    second = values.max(1)
    loss = log_sum - of_true[:, 0]
    return predicted, np.exp(highest - log_sum), np.exp(second - log_sum), np.exp(-loss), loss, log_sum, rank


def _log_sum(values: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return the log-sum-exp of each row of values (n, classes), whose maximum is `highest`; (n,)."""
    shift = np.where(np.isfinite(highest), highest, 0.0)
    return np.asarray(shift + np.log(np.exp(values - shift[:, None]).sum(1)))
