"""VGG16 and ResNet-152 in PyTorch, by the names that tinydl.models has: a state dict of one fits the other.

As in torchvision, ReLU writes over its input, which saves memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

RELU = nn.ReLU(inplace=True)


def vgg16() -> Any:
    """13 convolutions and 3 dense layers, without dropout."""
    layers: list[nn.Module] = []
    channels = 3
    for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), RELU]
            channels = width
        layers.append(nn.MaxPool2d(2))
    # without dropout, whose random numbers differ between libraries
    dense = [nn.Linear(512 * 7 * 7, 4096), RELU, nn.Dropout(0.0), nn.Linear(4096, 4096), RELU]
    model = nn.Sequential()
    model.add_module("features", nn.Sequential(*layers))
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(7))
    model.add_module("flatten", nn.Flatten())
    model.add_module("classifier", nn.Sequential(*dense, nn.Dropout(0.0), nn.Linear(4096, 1000)))
    return model


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution with batch norm, and a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential()
        if inputs != 4 * width:
            self.downsample.append(nn.Conv2d(inputs, 4 * width, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(4 * width))

    def forward(self, x: Any) -> Any:
        f = RELU(self.bn1(self.conv1(x)))
        f = RELU(self.bn2(self.conv2(f)))
        return RELU(self.bn3(self.conv3(f)) + self.downsample(x))


def resnet152() -> Any:
    """50 bottlenecks."""
    model = nn.Sequential()
    for name, layer in (
        ("conv1", nn.Conv2d(3, 64, 7, 2, 3, bias=False)),
        ("bn1", nn.BatchNorm2d(64)),
        ("relu", RELU),
        ("maxpool", nn.MaxPool2d(3, 2, 1)),
    ):
        model.add_module(name, layer)
    inputs = 64
    for place, (width, blocks) in enumerate(((64, 3), (128, 8), (256, 36), (512, 3)), start=1):
        layer = nn.Sequential()
        for block in range(blocks):
            layer.append(Bottleneck(inputs, width, 2 if place > 1 and block == 0 else 1))
            inputs = 4 * width
        model.add_module(f"layer{place}", layer)
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(inputs, 1000))
    return model


NETWORKS: dict[str, Callable[[], Any]] = {"vgg16": vgg16, "resnet152": resnet152}
