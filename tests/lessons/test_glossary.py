"""The glossary: nothing in the form lacks its term, what it says with figures is so, and words are found."""

import re

import numpy as np
import pytest
import torch

from cnn_core.config.schema import GROUPS, TrainConfig, choices, facts
from cnn_core.lessons.glossary import EVERYWHERE, TOPICS, find_terms, glossary, term_name
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.models.registry import FAMILIES

FIELDS = TrainConfig.model_fields
CHOICES = [(name, value) for name in FIELDS for value in choices(name)]
# Words that stand on charts, tables and figures of the pages.
ON_PAGES = [
    "epoch",
    "step",
    "batch",
    "loss",
    "cross_entropy",
    "accuracy",
    "top_k",
    "gradient_norm",
    "validation",
    "overfitting",
    "softmax",
    "kernel",
    "stride",
    "receptive_field",
    "logits",
    "calibration",
    "calibration_error",
    "temperature",
    "threshold",
    "grad_cam",
    "confusion_matrix",
    "precision_of_class",
    "recall",
    "f1",
    "macro_mean",
    "roc",
    "precision_recall_curve",
    "p_value",
    "mcnemar",
    "welch",
    "confidence_interval",
    "parameter",
    "multiply_adds",
    "images_per_second",
    "best_epoch",
    "branch",
    "pca",
    "t_sne",
    "forgetting",
    "label_errors",
    "robustness",
    "dead_channel",
    "feature_map",
    "tta",
    "rate_finder",
    "repeated_seeds",
    "data_version",
    "onnx",
    "safetensors",
]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_term_with_its_own_title_in_its_own_group(name):
    term = glossary()[term_name(name)]
    assert (term.title, term.setting) == (FIELDS[name].title, name)
    assert term.topic == (facts(name).group or "Data and model")


@pytest.mark.parametrize("name, value", CHOICES)
def test_every_value_of_every_choice_has_a_term(name, value):
    term = glossary()[term_name(name, value)]
    assert value in EVERYWHERE or (term.setting == name and term.topic in GROUPS)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_networks_has_a_term_with_its_own_title(name):
    term = glossary()[term_name("model", name)]
    assert (term.title, term.topic) == (FAMILIES[name].title, "Networks")


@pytest.mark.parametrize("word", ON_PAGES)
def test_every_word_of_the_charts_has_a_term(word):
    assert glossary()[word].setting == ""


@pytest.mark.parametrize("term", glossary().values(), ids=glossary())
def test_a_term_is_a_few_sentences_with_whole_formulas_and_links_that_lead_somewhere(term):
    prose = re.sub(r"\$[^$]+\$", "x", term.text)
    assert term.text.count("$") % 2 == 0 and term.text.endswith(".")
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", prose)) <= 6 and 50 < len(prose) < 700
    assert term.topic in TOPICS and term.see_also and term.name not in term.see_also
    assert set(term.see_also) <= set(glossary())
    assert not term.source or re.search(r"\d{4}|documentation|tutorials|Hugging Face", term.source)


def test_no_term_is_for_a_setting_or_a_choice_that_there_is_not():
    known = {*FIELDS, *(term_name(*choice) for choice in CHOICES), *(term_name("model", name) for name in FAMILIES)}
    assert {name for name in glossary() if "-" in name or name in FIELDS} <= known | {"weights-scratch", "weights-pretrained"}


def test_what_is_said_with_figures_is_so():
    losses = -torch.log(torch.tensor([0.5, 0.01, 0.1]))
    assert [round(float(loss), 2) for loss in losses] == [0.69, 4.61, 2.30]
    assert "0.69, one of 0.01 costs 4.6" in glossary()["cross_entropy"].text
    small, large = wilson_interval(round(0.9 * 359), 359), wilson_interval(9000, 10_000)
    assert np.allclose(small, (0.865, 0.927), atol=0.001) and np.allclose(large, (0.894, 0.906), atol=0.001)
    assert float(torch.tensor(5.96e-8, dtype=torch.float16)) > 0 == float(torch.tensor(2.9e-8, dtype=torch.float16))
    smoothed = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    logits, target = torch.randn(1, 10), torch.full((1, 10), 0.01)
    target[0, 3] += 0.9  # 1 - epsilon + epsilon / K
    assert torch.allclose(smoothed(logits, torch.tensor([3])), torch.nn.functional.cross_entropy(logits, target))


def test_a_search_gives_titles_before_texts_and_needs_all_words():
    found = find_terms("DROPOUT")
    assert found[0].name == "dropout" and any("Dropout" not in term.title for term in found)
    assert [term.name for term in find_terms("learning rate")][0] == "learning_rate"
    assert all("mirror" in f"{term.title} {term.name} {term.text}".casefold() for term in find_terms("mirror image"))
    assert find_terms("no such word anywhere") == []


def test_words_that_the_exercises_use_are_found_too():
    found = {words: [term.name for term in find_terms(words)] for words in ("slope", "neuron", "learns by heart")}
    assert found == {"slope": ["gradient"], "neuron": ["fully_connected"], "learns by heart": ["overfitting"]}
