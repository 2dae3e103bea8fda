"""U-Net from layers: which digit does each pixel of a photo belong to? Trained with cross-entropy and with Dice.

python examples/unet_classes.py [EPOCHS]
"""

import itertools
import sys
from pathlib import Path

import tinydl as td
from tinydl import nn
from tinydl.functional import one_hot, softmax

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 16
CLASSES = ["background", "0", "1", "2", "3", "4"]


def block(before, after, generator):
    """Two 3x3 convolutions that keep the size, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False, generator=generator),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False, generator=generator),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Down to an eighth of the size, where whole digits are seen, and up again to their outlines."""

    def __init__(self, generator):
        pairs = list(itertools.pairwise([8, 16, 32, 64]))
        self.start = block(3, 8, generator)
        self.down = nn.ModuleList(block(a, b, generator) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2, generator=generator) for a, b in pairs)
        self.join = nn.ModuleList(block(b, a, generator) for a, b in pairs)
        self.output = nn.Conv2d(8, len(CLASSES), kernel_size=1, generator=generator)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        left = [self.start(x)]
        for down in self.down:
            left.append(down(self.pool(left[-1])))
        x = left.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            x = join(td.cat([left.pop(), up(x)], axis=1))
        return self.output(x)  # a score for each class and pixel


def soft_dice(scores, labels):
    """How little the probabilities of each class overlap with its pixels, in all pictures of the batch together."""
    masks = one_hot(labels, len(CLASSES)).transpose(0, 3, 1, 2).astype("float32")
    pair = (x.transpose(1, 0, 2, 3).reshape(1, len(CLASSES), -1) for x in (softmax(scores, axis=1), masks))
    return td.losses.dice(*pair)


train = td.data.digits_on_photos(400, "train", generator=0)
test = td.data.digits_on_photos(200, "test", generator=0)  # other digits on another photo
maps = {"truth": test.labels[:8]}

for name, criterion in {"cross-entropy": td.losses.cross_entropy, "Dice": soft_dice}.items():
    generator = td.Generator(0)  # the same start and the same order of pictures for both
    model = UNet(generator)
    loader = td.data.DataLoader(tuple(train), batch_size=8, shuffle=True, generator=generator)
    optimizer = td.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with td.no_grad():
        found = model(td.tensor(test.images)).argmax(1)
    iou = td.metrics.iou(found, td.tensor(test.labels), classes=len(CLASSES))
    print(f"{name}: loss {loss.item():.3f}, mean IoU of the five digits {iou:.3f}")
    maps[name] = found[:8]

Path("runs").mkdir(exist_ok=True)
td.plot.segmentation(test.images[:8], maps, CLASSES, path="runs/unet_classes_example.png")
