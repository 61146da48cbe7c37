"""What a network's logits say of every image, in numbers that lists and figures are made of. In: logits and labels. Out: Scores.

Logits may be a file of 100,000 images by 1,000 classes: they are gone through once, in blocks, in float64.
"""

from dataclasses import dataclass

import numpy as np
import torch

BLOCK = 2**21  # logits at a time: 16 MB in float64


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
    parts = [
        _score_block(np.array(logits[at : at + step]), labels[at : at + step], temperature) for at in range(0, len(labels), step)
    ]
    return Scores(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _score_block(logits: np.ndarray, labels: np.ndarray, temperature: float) -> tuple[np.ndarray, ...]:
    """The columns of Scores, in their order."""
    values = torch.from_numpy(logits).double() / temperature
    truth = torch.from_numpy(labels).unsqueeze(1)
    own = values.gather(1, truth)
    rank = (~(values <= own)).sum(1)  # no number (of a network that diverged) is no reason to stand in front
    rank += ((values == own) & (torch.arange(values.shape[1]) < truth)).sum(1)
    log_sum = values.logsumexp(1)
    highest, predicted = values.max(1)
    second = values.scatter_(1, predicted.unsqueeze(1), -torch.inf).amax(1)  # the last use of `values`
    loss = log_sum - own.squeeze(1)
    columns = (
        predicted,
        (highest - log_sum).exp(),
        (second - log_sum).exp(),
        (-loss).exp(),
        loss,
        log_sum,
        rank,
    )
    return tuple(column.numpy() for column in columns)
