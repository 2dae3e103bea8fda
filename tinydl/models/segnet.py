"""SegNet (Badrinarayanan, Kendall and Cipolla, 2017): a decoder that remembers where each maximum stood."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.blocks import check_halvings, conv_norm_relu, halved
from tinydl.ops.resize import max_unpool2d
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class SegNet(nn.Module):
    """SegNet: images (N, in_channels, H, W) to logits (N, classes, H, W).

    The encoder has two 3x3 convolutions on each of three levels (base, 2 base and 4 base maps) and halves the
    maps after each by max pooling. The decoder mirrors it: unpooling puts every value back to the place that its
    maximum came from, with zeros around it, and convolutions fill the gaps. Where U-Net hands whole maps across,
    SegNet hands only these places, an integer for each value that is kept. (The paper has five levels, those of
    VGG16.)

    Raises: ValueError for counts below 1; when called, for sizes that are no multiples of 8 and another number
    of channels.
    """

    def __init__(
        self, in_channels: int = 1, classes: int = 1, base: int = 16, generator: GeneratorLike = None
    ) -> None:
        if min(in_channels, classes, base) < 1:
            raise ValueError(
                f"SegNet: in_channels, classes and base must be 1 or more, got {in_channels}, {classes}, {base}"
            )
        generator = as_generator(generator)
        widths = [base, 2 * base, 4 * base]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *conv_norm_relu(before, width, generator),
                *conv_norm_relu(width, width, generator),
            )
            for before, width in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                *conv_norm_relu(width, width, generator),
                *conv_norm_relu(width, after, generator),
            )
            for width, after in zip(widths[::-1], [*widths[-2::-1], base], strict=True)
        )
        self.output = nn.Conv2d(base, classes, kernel_size=1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        check_halvings("SegNet", x, len(self.encoder))
        places = []
        for encoder in self.encoder:
            x, where = halved(encoder(x))
            places.append(where)
        for decoder, where in zip(self.decoder, reversed(places), strict=True):
            x = decoder(max_unpool2d(x, where, 2))
        out: Tensor = self.output(x)
        return out
