"""Which folders are splits and which are classes, by the paths of the images alone."""

import unicodedata

import pytest

from cnn_core.data.layout import NO_CLASS, NO_SPLIT, SAME_SUBFOLDERS, Layout, Place, find_layout, find_split


def paths(*folders: str) -> list[str]:
    return [f"{folder}/1.jpg" for folder in folders]


def in_each(splits: tuple[str, ...], *classes: str) -> list[str]:
    return paths(*(f"{split}/{name}" for split in splits for name in classes))


def places(layout: Layout) -> set[tuple[str | None, str]]:
    return {tuple(place) for place in layout.places if isinstance(place, Place)}


def of_splits(*classes: str) -> set[tuple[str | None, str]]:
    return {(split, name) for split in ("train", "test") for name in classes}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("TRAINING", "train"), ("training_set", "train"), ("seg_train", "train"), ("train_data", "train"),
        ("Train Images", "train"), ("TrainSet", "train"), ("trainset", "train"), ("train2017", "train"), ("01-train", "train"),
        ("images.train", "train"), ("dev", "val"), ("valid_set", "val"), ("my-validation", "val"), ("ValSet", "val"),
        ("eval", "test"), ("Evaluation", "test"), ("test_set", "test"), ("Testing (final)", "test"), ("testdata", "test"),
        ("constrained", None), ("trains", None), ("strain", None), ("contest", None), ("valley", None), ("device", None),
        ("rose", None), ("train_test", None), ("Zug", None), ("", None),
    ],
)  # fmt: skip
def test_a_keyword_between_separators_or_changes_of_case_names_a_split(name: str, split: str | None):
    assert find_split(name) == split


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("train_data", "eval_data"),
        ("Train Images", "Test Images"),
        ("TrainSet", "TestSet"),
        ("training", "evaluation"),
        ("train", "eval"),
        ("train2017", "test2017"),
    ],
)
@pytest.mark.parametrize("inner", ["", "same/", "images/", "own/"])
@pytest.mark.parametrize("above", ["", "data/", "a/images/"])
def test_split_folders_have_many_names_and_may_hold_one_folder_more(train: str, test: str, inner: str, above: str):
    inner_of = {"same/": lambda name: f"{name}/", "own/": lambda name: f"{name}_images/"}.get(inner, lambda _: inner)
    images = paths(*(f"{above}{split}/{inner_of(split)}{name}" for split in (train, test) for name in ("cats", "dogs")))
    layout = find_layout(images)
    assert places(layout) == of_splits("cats", "dogs") and not layout.warnings and not layout.unlabelled


def test_images_without_classes_beside_the_splits_are_skipped():
    images = [*in_each(("seg_train/seg_train", "seg_test/seg_test"), "sea", "forest"), *paths("seg_pred/seg_pred"), "cover.jpg"]
    layout = find_layout(images)
    assert places(layout) == of_splits("sea", "forest") and layout.places[-2:] == [NO_SPLIT, NO_SPLIT]


def test_a_class_with_a_keyword_in_its_name_stays_a_class():
    for classes in (("bullet train", "bus"), ("bullet train", "steam train"), ("test tube", "flask"), ("dev", "ops")):
        for inner in ("", "/front", "/side"):
            layout = find_layout(paths(*(f"{name}{inner}" for name in classes), *(f"{name}/front" for name in classes)))
            assert places(layout) == {(None, name) for name in classes}
    assert places(find_layout(paths("bullet train/front", "bullet train/side", "bus"))) == {(None, "bullet train"), (None, "bus")}


@pytest.mark.parametrize("classes", [("bus", "car", "train"), ("bus", "train"), ("bus", "test", "train"), ("val", "train", "x")])
def test_a_train_folder_with_images_beside_other_classes_is_a_class(classes: tuple[str, ...]):
    for above in ("", "vehicles/"):
        layout = find_layout(paths(*(above + name for name in classes)))
        assert places(layout) == {(None, name) for name in classes} and not layout.unlabelled
    assert places(find_layout(paths("bus/front", "bus/side", "train"))) == {(None, "bus"), (None, "train")}


@pytest.mark.parametrize(
    "folders", [("train",), ("train", "test"), ("training_set", "test_set"), ("train/train", "test/test"), ("train", "test/cat")]
)
def test_images_directly_in_split_folders_have_no_class(folders: tuple[str, ...]):
    layout = find_layout(paths(*folders))
    assert layout.unlabelled == tuple(sorted({folder.split("/")[0] for folder in folders})) and not places(layout)


def test_the_same_sub_folders_in_every_class_are_warned_of():
    layout = find_layout(in_each(("fold_a", "fold_b"), "cat", "dog"))
    assert places(layout) == {(None, "fold_a"), (None, "fold_b")}
    assert layout.warnings == (SAME_SUBFOLDERS.format(classes="“fold_a”, “fold_b”", folders="“cat”, “dog”"),)
    assert not find_layout(paths("a/x", "a/y", "b/x")).warnings and not find_layout(paths("a/x", "b/x")).warnings
    assert not find_layout(paths("a", "b")).warnings


def test_folders_beside_a_training_split_alone_are_warned_of():
    (warning,) = find_layout(paths("train/front", "train/side", "bus/front", "bus/side")).warnings
    assert "“train”" in warning and "“bus”" in warning
    assert not find_layout([*in_each(("train", "test"), "a", "b"), *paths("more")]).warnings


def test_stray_images_do_not_hide_the_folder_around_everything():
    for stray in ("cover.jpg", "flowers/cover.jpg"):
        layout = find_layout([*paths("flowers/rose", "flowers/tulip"), stray])
        assert places(layout) == {(None, "rose"), (None, "tulip")} and layout.places[-1] == NO_CLASS
    split = find_layout([*in_each(("set/train", "set/test"), "a", "b"), "cover.jpg"])
    assert places(split) == of_splits("a", "b") and split.places[-1] == NO_SPLIT


@pytest.mark.parametrize("split", ["val", "Valid", "validation", "test", "TESTING", "dev", "eval"])
@pytest.mark.parametrize("above", ["", "set/"])
@pytest.mark.parametrize("stray", [[], ["cover.jpg"]])
def test_a_single_split_folder_without_training_images_is_a_folder_around_everything(split: str, above: str, stray: list[str]):
    layout = find_layout([*in_each((f"{above}{split}",), "ants", "bees"), *stray])
    assert places(layout) == {(None, "ants"), (None, "bees")} and not layout.warnings
    assert layout.places[2:] == [NO_CLASS] * len(stray)


def test_two_unicode_forms_of_a_name_are_one_class():
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert places(find_layout(paths(composed, decomposed, "thé"))) == {(None, composed), (None, "thé")}
    assert places(find_layout(paths(f"train/{composed}", "train/thé", f"test/{decomposed}"))) == {
        ("train", composed), ("train", "thé"), ("test", composed),
    }  # fmt: skip
    around = find_layout(paths(f"{composed}/a", f"{decomposed}/b"))
    assert places(around) == {(None, "a"), (None, "b")}
