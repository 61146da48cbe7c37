"""The usual tutorial code for the SimpleCNN, with which the engine is compared: a DataLoader with PIL transforms for every image.

Images are decoded once and stay in memory, as in torchvision's CIFAR10 class. Adam, batch size 64, random crop and flip, dropout 0.5, float32; the loss is
read at every step, as tutorials do.
"""

import time
from collections.abc import Generator

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cnn_core.data.source import ImageSet

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH = 64


class InMemory(Dataset[tuple[torch.Tensor, int]]):
    """Decoded images that are transformed one at a time."""

    def __init__(self, images: ImageSet, augment: bool) -> None:
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augment else []
        self._transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        self._pixels, self._labels = images.images, images.labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._pixels[index])), int(self._labels[index])


class Tutorial:
    """A network with its data loaders and its optimizer."""

    def __init__(self, training: ImageSet, test: ImageSet, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = tutorial_network()
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self._training = DataLoader(InMemory(training, augment=True), batch_size=BATCH, shuffle=True, num_workers=2)
        self._test_count = len(test)
        self._test = DataLoader(InMemory(test, augment=False), batch_size=500, num_workers=2)

    def steps(self) -> Generator[int, None, None]:
        """Train one epoch; yield the number of images of each step."""
        self.model.train()
        for images, labels in self._training:
            self._optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships no type for it
            self._optimizer.step()
            loss.item()
            yield len(labels)

    def test_accuracy(self) -> float:
        """Return the accuracy on the test images."""
        self.model.eval()
        with torch.no_grad():
            correct = sum(int((self.model(images).argmax(1) == labels).sum()) for images, labels in self._test)
        return correct / self._test_count

    def train_until(self, target: float, max_epochs: int = 40) -> tuple[float, int]:
        """Train until the test accuracy reaches `target`; return the seconds of training (infinity if it does not) and the epochs."""
        seconds = 0.0
        for epoch in range(1, max_epochs + 1):
            start = time.perf_counter()
            for _ in self.steps():
                pass
            seconds += time.perf_counter() - start
            accuracy = self.test_accuracy()
            print(f"tutorial, epoch {epoch}: {accuracy:.2%} after {seconds:.0f} s", flush=True)
            if accuracy >= target:
                return seconds, epoch
        return float("inf"), max_epochs


def tutorial_network() -> nn.Module:
    """Return three blocks of Conv2d, ReLU and MaxPool and three fully connected layers with dropout: 506,154 parameters."""

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
