"""The metrics of a run, for tables and the command line: the last and the best of its history. Importing this module does not import torch."""

from typing import Any

from cnn_core.runs.history import History
from cnn_core.runs.out_of_fold import out_of_fold_metrics


def summarise_history(history: History) -> dict[str, Any]:
    """Return the metrics of a run for tables and the command line; None where not known yet.

    train_seconds and images_per_second are of training alone; accuracies are in 0..1.
    """
    last, best, finished, started = history.last, history.best, history.finished, history.started
    return {
        "epochs": len(history.epochs),
        "best_epoch": best.epoch if best else None,
        "best_val_accuracy": best.val_accuracy if best else None,
        "test_accuracy": finished.test_accuracy if finished else None,
        "test_loss": finished.test_loss if finished else None,
        "train_seconds": round(last.train_seconds, 3) if last else None,
        "images_per_second": round(last.images / last.train_seconds, 1) if last else None,
        "device": started.device if started else None,
        "parameters": started.parameters if started else None,
        **out_of_fold_metrics(finished, started),
    }
