"""Features and layouts, against the heads themselves and scikit-learn."""

import subprocess

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from cnn_core.explain.embedding import (
    compute_features,
    nearest,
    principal_components,
    project_by_pca,
    project_by_tsne,
)
from cnn_core.explain.tsne import LayoutError, compute_tsne, read_iteration
from cnn_core.models.hooks import find_last_linear
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import average_with_flipped
from tests.explain.nets import CLASSES, Unchanged, network
from tests.explain.test_feature_maps import card_of, random_image_set
from tests.helpers import drain


def logits_of(model, images):
    with torch.inference_mode():
        return model.forward((torch.from_numpy(images.images).permute(0, 3, 1, 2).float() - 128) / 127)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_what_the_head_makes_the_logits_of(family):
    model, images = network(family), random_image_set(52)
    with Unchanged(model):
        seen, features = drain(compute_features(model, card_of(family), images))
    assert [(stage.done, stage.total) for stage in seen] == [(0, 52), (50, 52)]
    scale = {"speed": 1 / 9, "resnet9": 1 / 8}.get(family, 1)
    head = find_last_linear(model)
    assert head.out_features == CLASSES
    logits = head(torch.from_numpy(features)) * scale
    expected = logits_of(model, images)
    torch.testing.assert_close(logits, expected, atol=1e-4 * max(1.0, expected.abs().max().item()), rtol=1e-4)


def test_an_average_over_mirrored_images_does_not_double_the_features():
    model, images = network("simple"), random_image_set(7)
    _, expected = drain(compute_features(model, card_of(), images))
    model.register_forward_hook(average_with_flipped)
    _, features = drain(compute_features(model, card_of(), images))
    np.testing.assert_array_equal(features, expected)


def test_a_network_without_a_linear_layer_is_taken_by_its_logits():
    model = nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    _, features = drain(compute_features(model, card_of(), random_image_set(5)))
    np.testing.assert_allclose(features, logits_of(model, random_image_set(5)), atol=1e-5)


@pytest.mark.parametrize("shape", [(200, 30), (20, 60)])
def test_principal_axes_are_scikit_learns(shape):
    rng = np.random.default_rng(0)
    features = (rng.normal(size=shape) * np.linspace(3, 0.1, shape[1]) + 5).astype(np.float32)
    reference = PCA(4, svd_solver="full").fit(features.astype(np.float64))
    places, shares = principal_components(features, 4)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_, rtol=1e-6)
    theirs = reference.transform(features.astype(np.float64))
    signs = np.sign((places * theirs).sum(0))  # which way an axis points is a convention
    np.testing.assert_allclose(places, theirs * signs, atol=1e-5)
    layout = project_by_pca(features)
    np.testing.assert_allclose(layout.coordinates, places[:, :2], rtol=1e-6)
    assert layout.explained_variance == pytest.approx(tuple(shares[:2]))


@pytest.mark.parametrize("features", [np.ones((5, 3)), np.arange(5.0)[:, None], np.ones((1, 4))], ids=["equal", "one", "alone"])
def test_directions_that_are_missing_are_zero(features):
    layout = project_by_pca(features.astype(np.float32))
    assert layout.coordinates.shape == (len(features), 2) and np.isfinite(layout.coordinates).all()
    assert not layout.coordinates[:, 1].any()
    assert layout.explained_variance == pytest.approx((1 if np.ptp(features) else 0, 0))


def clusters(count=150):
    rng = np.random.default_rng(0)
    return (rng.normal(0, 6, (5, 20))[np.arange(count) % 5] + rng.normal(size=(count, 20))).astype(np.float32)


def test_tsne_keeps_neighbours_together_counts_its_iterations_and_is_the_same_every_time():
    features = clusters()
    before, state = np.random.get_state()[1].copy(), torch.get_rng_state()
    seen, layout = drain(project_by_tsne(features, 20))
    done = [stage.done for stage in seen]
    assert done[0] == 0 and done == sorted(done) and {stage.total for stage in seen} == {1000}
    assert max(done) >= 500 and len(set(done)) > 5
    assert layout.coordinates.shape == (150, 2) and layout.explained_variance is None
    assert trustworthiness(features, layout.coordinates, n_neighbors=8) > 0.95
    np.testing.assert_array_equal(drain(project_by_tsne(features, 20))[1].coordinates, layout.coordinates)
    assert np.array_equal(np.random.get_state()[1], before) and torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def started(monkeypatch):
    """The processes that are started."""
    processes = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return processes


def test_the_process_of_tsne_ends_with_whoever_watches_it(started):
    steps = project_by_tsne(clusters())
    next(steps), next(steps)
    (process,) = started
    assert process.poll() is None
    steps.close()
    assert process.returncode


def test_a_process_of_tsne_that_is_killed_raises_an_error(started):
    steps = project_by_tsne(clusters())
    next(steps), next(steps)
    started[0].kill()
    with pytest.raises(LayoutError):
        drain(steps)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_tsne_takes_few_images_too(count):
    _, layout = drain(project_by_tsne(clusters()[:count]))
    assert layout.coordinates.shape == (count, 2) and np.isfinite(layout.coordinates).all()


def test_tsne_takes_images_that_do_not_differ():
    _, layout = drain(project_by_tsne(np.ones((12, 3), np.float32)))
    assert layout.coordinates.shape == (12, 2) and np.isfinite(layout.coordinates).all()


def test_the_perplexity_is_scikit_learns(capsys):
    start = clusters()[:, :2] * 1e-4
    ours = compute_tsne(clusters(), start, 7)
    assert read_iteration(capsys.readouterr().out) == 50
    np.testing.assert_array_equal(ours, TSNE(2, perplexity=7, init=start, random_state=0).fit_transform(clusters()))
    assert not np.array_equal(ours, TSNE(2, perplexity=30, init=start, random_state=0).fit_transform(clusters()))


def test_the_nearest_are_those_of_the_highest_cosine_without_the_one_itself():
    features = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    features[5] = 0
    reference = cosine_similarity(features)[3]
    rows, cosines = nearest(features, 3, 39)
    assert rows.tolist() == [row for row in np.argsort(-reference, kind="stable").tolist() if row != 3]
    np.testing.assert_allclose(cosines, reference[rows], atol=1e-6)
    assert nearest(features, 5, 4)[1].tolist() == [0, 0, 0, 0] and len(nearest(features[:1], 0, 6)[0]) == 0
