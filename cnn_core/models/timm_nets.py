"""Networks from timm, the library of image networks and their ImageNet weights (R. Wightman, 2019).

In: an input shape. Out: modules from images (N, channels, S, S) to logits (N, classes). Importing this module takes seconds, because timm
imports torchvision and huggingface_hub; the registry imports it when such a network is built.
"""

import timm
from torch import nn


def efficientnet_lite0(*, channels: int, image_size: int, classes: int, dropout: float = 0.2) -> nn.Module:
    """Return EfficientNet-Lite0 (M. Tan and Q. Le, 2019; Google's variant for phones: ReLU6, no squeeze-and-excitation). It takes any side."""
    model: nn.Module = timm.create_model("tf_efficientnet_lite0", in_chans=channels, num_classes=classes)
    head = model.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    last = nn.Linear(head.in_features, classes)  # timm's starts with weights of 1 / sqrt(classes): confident and wrong
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    model.classifier = nn.Sequential(nn.Dropout(dropout), last)  # timm's dropout is a function without a layer
    return model
