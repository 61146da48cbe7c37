"""Mixing: mixing weights that follow the beta distribution, and targets that give the exact fraction of each source image."""

import numpy as np
import pytest
import torch
from scipy import stats

from cnn_core.data.mixing import CutMix, Mix, MixEither, MixUp, draw_beta, draw_partners
from cnn_core.data.random_draws import RandomDraws

EITHER = MixEither((MixUp(1.0, 500), CutMix(1.0, 500)))
MIXES = pytest.mark.parametrize("mix", [MixUp(0.4, 500), CutMix(1.0, 500), EITHER], ids=repr)


def draws(count: int, seed: int = 0) -> RandomDraws:
    return RandomDraws(torch.arange(count), 0, torch.Generator().manual_seed(seed))


def numbered(count: int, height: int = 8, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Images in channels-last of which each shows its own number everywhere, which also is its label."""
    labels = torch.arange(count)
    images = labels.float().view(-1, 1, 1, 1).expand(-1, 3, height, width)
    return images.contiguous(memory_format=torch.channels_last), labels


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float):
    shares = draw_beta(alpha, 40_000, draws(1)).double().numpy()
    points = np.linspace(0.001, 0.999, 300)
    found = np.searchsorted(np.sort(shares), points) / len(shares)
    assert np.abs(found - stats.beta(alpha, alpha).cdf(points)).max() < 0.01
    assert shares.min() >= 0 and shares.max() <= 1


def test_partners_are_a_permutation_and_another_one_in_every_batch():
    looking = draws(1)
    first, second = draw_partners(100, looking), draw_partners(100, looking)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(100))
    assert not torch.equal(first, second)


@MIXES
def test_targets_are_the_fractions_of_the_mixed_images(mix: Mix):
    images, labels = numbered(500)
    mixed, targets = mix(images, labels, draws(500))
    assert targets.shape == (500, 500) and targets.dtype == torch.float32 and mixed.dtype == torch.float32
    torch.testing.assert_close(targets.sum(1), torch.ones(500))
    assert bool((targets >= 0).all()) and int((targets > 0).sum(1).max()) == 2
    torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ labels.float(), rtol=0, atol=2e-3)


def test_mixup_blends_all_pixels_of_an_image_with_one_coefficient():
    images, labels = numbered(500)
    mixed, targets = MixUp(1.0, 500)(images, labels, draws(500))
    assert torch.equal(mixed, mixed[:, :1, :1, :1].expand_as(mixed))
    own = targets[labels, labels]
    assert len(own.unique()) > 480
    np.testing.assert_allclose(np.quantile(own, (0.1, 0.5, 0.9)), (0.1, 0.5, 0.9), atol=0.05)


def test_mixup_gives_the_sum_of_the_images_weighted_by_the_targets():
    generator = torch.Generator().manual_seed(3)
    images, labels = torch.randn(6, 3, 5, 5, generator=generator), torch.arange(6)
    mixed, targets = MixUp(1.0, 6)(images, labels, draws(6, 1))
    for image, target, label in zip(mixed, targets, labels.tolist(), strict=True):
        expected = sum(float(share) * other for share, other in zip(target, images, strict=True))
        torch.testing.assert_close(image, torch.as_tensor(expected), rtol=0, atol=1e-5)
        assert target[label] > 0


def pasted(mixed: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Where each image shows something that is not its own, (N, H, W), after making sure it is one single other image."""
    foreign = (mixed != labels.view(-1, 1, 1, 1)).numpy()
    assert (foreign == foreign[:, :1]).all()
    assert all(len(np.unique(image[where])) <= 1 for image, where in zip(mixed.numpy(), foreign, strict=True))
    return foreign[:, 0]


def test_cutmix_pastes_one_upright_rectangle_of_the_images_shape():
    images, labels = numbered(500, 24, 12)
    inside = 0
    for where in pasted(CutMix(1.0, 500)(images, labels, draws(500))[0], labels):
        rows, columns = where.any(1), where.any(0)
        assert where.sum() == rows.sum() * columns.sum() and np.diff(np.flatnonzero(rows)).max(initial=1) == 1
        if where.any() and not (where[0].any() or where[-1].any() or where[:, 0].any() or where[:, -1].any()):
            assert rows.sum() in (2 * columns.sum(), 2 * columns.sum() + 1)
            inside += 1
    assert inside > 50


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_cutmix_pastes_as_much_as_the_papers_own_steps_do(alpha: float):
    images, labels = numbered(4000, 16, 16)
    areas = pasted(CutMix(alpha, 1)(images, labels, draws(4000))[0], labels).mean((1, 2))
    rng, expected = np.random.default_rng(0), []
    for share in rng.beta(alpha, alpha, 40_000):  # rand_bbox of the paper's code, odd sides not rounded down to even
        side = int(16 * np.sqrt(1 - share))
        low, left = rng.integers(16) - side // 2, rng.integers(16) - side // 2
        height, width = (min(16, first + side) - max(0, first) for first in (low, left))
        expected.append(max(0, height) * max(0, width) / 256)
    assert abs(areas.mean() - np.mean(expected)) < 0.015
    assert np.abs(np.quantile(areas, (0.25, 0.5, 0.75)) - np.quantile(expected, (0.25, 0.5, 0.75))).max() < 0.03


def test_either_treats_about_half_of_the_images_by_each_mix_and_gives_them_its_target():
    images, labels = numbered(400)
    mixed, targets = EITHER(images, labels, draws(400))
    partner = targets.clone().fill_diagonal_(0).argmax(1)
    changed = partner != 0
    is_cut = ((mixed == labels.view(-1, 1, 1, 1)) | (mixed == partner.view(-1, 1, 1, 1))).flatten(1).all(1) & changed
    is_blended = (mixed == mixed[:, :1, :1, :1]).flatten(1).all(1) & changed & ~is_cut
    assert 150 < int(is_cut.sum()) < 250 and 150 < int(is_blended.sum()) < 250


def test_two_images_of_one_class_keep_their_target_whole():
    images, _ = numbered(20)
    for mix in (MixUp(1.0, 3), CutMix(1.0, 3)):
        _, targets = mix(images, torch.full((20,), 2), draws(20))
        assert torch.equal(targets, torch.tensor([0.0, 0.0, 1.0]).expand(20, 3))


@MIXES
def test_the_generator_alone_decides_and_the_batch_given_stays_as_it_is(mix: Mix):
    images, labels = numbered(60)
    torch.manual_seed(1)
    first = mix(images, labels, draws(60, 1))
    torch.manual_seed(2)
    again, other = mix(images, labels, draws(60, 1)), mix(images, labels, draws(60, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])
    assert torch.equal(images, numbered(60)[0]) and torch.equal(labels, torch.arange(60))


@MIXES
def test_mixed_batches_stay_channels_last(mix: Mix):
    assert mix(*numbered(60), draws(60))[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mix", [MixUp(1.0, 4), CutMix(1.0, 4)], ids=repr)
def test_cross_entropy_of_the_targets_is_the_shared_loss_of_both_labels(mix: Mix):
    labels = torch.arange(8) % 4
    _, targets = mix(torch.randn(8, 3, 6, 6), labels, draws(8))
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    each = torch.stack([torch.nn.functional.cross_entropy(logits, torch.full((8,), k), reduction="none") for k in range(4)], 1)
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits, targets), (each * targets).sum(1).mean())
