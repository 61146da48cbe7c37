"""The tutorial's way to train the SimpleCNN, which the engine is measured against: a DataLoader with PIL transforms for every image.

Ordinary, not slow: images are decoded once and kept in memory, as torchvision's own CIFAR10 class keeps them. Adam, batch 64, random
crop and flip, dropout one half, the loss read at every step, as tutorials do.
"""

import time
from collections.abc import Iterator

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cnn_core.data.source import ImageSet

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH = 64


class InMemory(Dataset):
    """Decoded images that are transformed one by one when asked for."""

    def __init__(self, images: ImageSet, augment: bool) -> None:
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augment else []
        self._transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        self._pixels, self._labels = images.images, images.labels  # in memory, as the tutorial has them

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._pixels[index])), int(self._labels[index])


class Tutorial:
    """The network, its loaders and its optimizer."""

    def __init__(self, training: ImageSet, test: ImageSet, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = tutorial_network()
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self._training = DataLoader(InMemory(training, True), batch_size=BATCH, shuffle=True, num_workers=2)
        self._test = DataLoader(InMemory(test, False), batch_size=500, num_workers=2)

    def steps(self) -> Iterator[int]:
        """One epoch, step by step: the number of images of each."""
        self.model.train()
        for images, labels in self._training:
            self._optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()
            self._optimizer.step()
            loss.item()
            yield len(labels)

    def test_accuracy(self) -> float:
        self.model.eval()
        with torch.no_grad():
            right = sum((self.model(images).argmax(1) == labels).sum().item() for images, labels in self._test)
        return right / len(self._test.dataset)

    def seconds_to(self, target: float, most_epochs: int = 40) -> tuple[float, int]:
        """Seconds of training alone, and epochs, until the test accuracy reaches `target`; infinity when it does not."""
        seconds = 0.0
        for epoch in range(1, most_epochs + 1):
            begun = time.perf_counter()
            for _ in self.steps():
                pass
            seconds += time.perf_counter() - begun
            accuracy = self.test_accuracy()
            print(f"tutorial, epoch {epoch}: {accuracy:.2%} after {seconds:.0f} s", flush=True)
            if accuracy >= target:
                return seconds, epoch
        return float("inf"), most_epochs


def tutorial_network() -> nn.Module:
    """Three blocks Conv2d-ReLU-MaxPool, three fully connected layers with dropout: 506,154 parameters."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

    return nn.Sequential(
        block(3, 32),
        block(32, 64),
        block(64, 128),
        nn.Flatten(),
        nn.Linear(128 * 4 * 4, 192),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(192, 96),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(96, 10),
    )
