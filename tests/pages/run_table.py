"""Finished runs, and what the Runs page shows of them."""

from cnn_core.config.defaults import make_config
from cnn_core.runs.store import Store
from tests.pages.manual_run import epoch

TEST_ACCURACY = 0.4321


def table(at):
    return at.dataframe[0].value


def tick(at, *rows):
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return at.run()


def page_text(at):
    kinds = (at.caption, at.error, at.info, at.success, at.warning, at.markdown)
    return "\n".join(element.value for kind in kinds for element in kind)


def finished(store: Store, accuracy: float = 0.9, epochs: int = 3, **chosen) -> str:
    run = store.create(make_config(**chosen))
    store.log.append(run, [epoch(number, 10 * number, val_accuracy=accuracy - 0.1 / number) for number in range(1, epochs + 1)])
    summary = {
        "test_accuracy": TEST_ACCURACY,
        "best_val_accuracy": accuracy,
        "epochs": epochs,
        "train_seconds": 90.0,
        "images_per_second": 1234.5,
    }
    store.set_status(run, "finished", summary=summary)
    return run
