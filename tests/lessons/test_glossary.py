"""The glossary: every setting, choice, architecture and term of the pages has an entry, its numbers are correct, and terms are found."""

import re
from pathlib import Path

import pytest
import torch

from cnn_core.config.schema import GROUPS, TrainConfig, choices, metadata
from cnn_core.lessons import glossary
from cnn_core.lessons.glossary import ARCHITECTURES, DATA_AND_MODEL, SHARED_CHOICES, TOPICS, find_terms, read_glossary, term_name
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.models.registry import FAMILIES

FIELDS = TrainConfig.model_fields
CHOICES = [(name, choice) for name in FIELDS for choice in choices(name)]
WEIGHTS = {"weights-scratch", "weights-pretrained"}  # words in a text field, which has no choices
# Terms of the charts, tables and metrics of the pages.
ON_PAGES = re.findall(
    r"\w+",
    """
epoch step batch loss cross_entropy accuracy top_k gradient_norm validation overfitting softmax kernel stride receptive_field logits
calibration calibration_error temperature threshold grad_cam confusion_matrix precision_of_class recall f1 macro_mean roc
precision_recall_curve p_value mcnemar welch confidence_interval parameter multiply_adds images_per_second best_epoch branch pca t_sne
forgetting label_errors robustness dead_channel feature_map tta rate_finder repeated_seeds data_version onnx safetensors
""",
)


def test_every_setting_has_a_term_with_its_title_in_its_group():
    terms = {name: read_glossary()[term_name(name)] for name in FIELDS}
    assert {name: (term.title, term.setting) for name, term in terms.items()} == {
        name: (field.title, name) for name, field in FIELDS.items()
    }
    groups = {name: metadata(name).group or DATA_AND_MODEL for name in FIELDS}
    assert {name: term.topic for name, term in terms.items()} == groups


def test_every_choice_has_a_term_in_a_group_of_the_form():
    missing = [choice for choice in CHOICES if term_name(*choice) not in read_glossary()]
    assert not missing
    own = {(name, choice): read_glossary()[term_name(name, choice)] for name, choice in CHOICES if choice not in SHARED_CHOICES}
    assert {choice for choice, term in own.items() if term.setting != choice[0] or term.topic not in GROUPS} == set()


def test_what_has_no_entry_is_explained_by_its_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for file in glossary.FOLDER.iterdir():
        (tmp_path / file.name).write_text("" if file.stem in ("settings", "networks", "choices") else file.read_text())
    monkeypatch.setattr(glossary, "FOLDER", tmp_path)
    read_glossary.cache_clear()
    terms = read_glossary()
    read_glossary.cache_clear()
    assert {name: terms[name].text for name in FIELDS} == {name: field.description for name, field in FIELDS.items()}
    assert terms["model-resnet20"].text == FAMILIES["resnet20"].help and terms["schedule-step"].setting == "schedule"


def test_every_architecture_has_a_term_with_its_title():
    terms = [read_glossary()[term_name("model", name)] for name in FAMILIES]
    assert [(term.title, term.topic) for term in terms] == [(family.title, ARCHITECTURES) for family in FAMILIES.values()]


def test_every_term_of_the_pages_has_an_entry_as_a_concept():
    assert [name for name in ON_PAGES if name not in read_glossary() or read_glossary()[name].setting] == []


def test_no_term_is_for_a_setting_or_a_choice_that_does_not_exist():
    known = {*FIELDS, *(term_name(*choice) for choice in CHOICES), *(term_name("model", name) for name in FAMILIES), *WEIGHTS}
    assert {name for name, term in read_glossary().items() if term.setting} <= known


def test_every_topic_has_terms():
    assert {term.topic for term in read_glossary().values()} == set(TOPICS)


def test_titles_are_different():
    titles = [term.title for term in read_glossary().values()]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize(
    "is_right",
    [
        lambda term: term.text.count("$") % 2 == 0 and term.text.endswith("."),
        lambda term: 1 <= len(re.findall(r"[.!?](?=\s|$)", prose(term))) <= 6 and 50 < len(prose(term)) < 700,
        lambda term: term.see_also and term.name not in term.see_also and set(term.see_also) <= set(read_glossary()),
        lambda term: not term.source or re.search(r"\d{4}|documentation|tutorials|Hugging Face", term.source),
    ],
    ids=["whole formulas", "a few sentences", "links to other terms", "a source with a year"],
)
def test_every_term_has(is_right):
    assert [name for name, term in read_glossary().items() if not is_right(term)] == []


def prose(term):
    return re.sub(r"\$[^$]+\$", "x", term.text)


def test_the_numbers_in_the_entry_of_cross_entropy_are_correct():
    losses = -torch.log(torch.tensor([0.5, 0.01, 0.1]))
    text = read_glossary()["cross_entropy"].text
    assert all(number in text for number in (f"{losses[0]:.2f}", f"{losses[1]:.1f}", f"{losses[2]:.2f}"))


def test_the_numbers_in_the_entry_of_the_confidence_interval_are_correct():
    text = read_glossary()["confidence_interval"].text
    for right, count in ((323, 359), (9000, 10_000)):
        low, high = wilson_interval(right, count)
        assert f"{100 * low:.1f} to {100 * high:.1f}%" in text


def test_the_smallest_float16_in_its_entry_is_correct():
    smallest = float(torch.tensor(5.96e-8, dtype=torch.float16))
    assert smallest > 0 == float(torch.tensor(2.9e-8, dtype=torch.float16))
    assert f"{smallest:.8f}" in read_glossary()["precision-float16"].text


def test_the_targets_in_the_entry_of_label_smoothing_are_those_of_the_loss():
    logits, target = torch.randn(1, 10), torch.full((1, 10), 0.1 / 10)  # epsilon / K
    target[0, 3] = 1 - 0.1 + 0.1 / 10  # 1 - epsilon + epsilon / K
    smoothed = torch.nn.functional.cross_entropy(logits, torch.tensor([3]), label_smoothing=0.1)
    assert torch.allclose(smoothed, torch.nn.functional.cross_entropy(logits, target))


def test_a_search_lists_titles_before_texts_and_needs_all_words():
    found = find_terms("DROPOUT")
    assert found[0].name == "dropout" and any("dropout" not in term.title.casefold() for term in found)
    assert find_terms("learning rate")[0].name == "learning_rate"
    mirrored = find_terms("mirror image")
    assert mirrored and all(
        word in f"{term.title} {term.name} {term.text}".casefold() for term in mirrored for word in ("mirror", "image")
    )
    assert find_terms("no such word anywhere") == []


@pytest.mark.parametrize(
    "synonym, name",
    [("neuron", "fully_connected"), ("memorise", "overfitting"), ("filter", "kernel"), ("swish", "activation-silu")],
)
def test_a_term_is_found_by_its_synonym(synonym, name):
    assert name in [term.name for term in find_terms(synonym)]
