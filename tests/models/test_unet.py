"""U-Net: PyTorch's numbers, sizes, and what it refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import UNet
from tinydl.testing.point import host


def torch_twin(torch: Any, in_channels: int, classes: int, base: int, depth: int) -> Any:
    """U-Net written from the paper's figure: a list of names, not our class."""
    nn = torch.nn

    def double(a: int, b: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
        )  # fmt: skip

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            w = [base * 2**i for i in range(depth + 1)]
            self.down = nn.ModuleList(
                [double(in_channels if i == 0 else w[i - 1], w[i]) for i in range(depth)]
            )
            self.bottom = double(w[depth - 1], w[depth])
            self.up = nn.ModuleList([nn.ConvTranspose2d(w[i + 1], w[i], 2, 2) for i in range(depth)])
            self.join = nn.ModuleList([double(w[i + 1], w[i]) for i in range(depth)])
            self.output = nn.Conv2d(base, classes, 1)

        def forward(self, x: Any) -> Any:
            kept = []
            for down in self.down:
                kept.append(down(x))
                x = nn.functional.max_pool2d(kept[-1], 2)
            x = self.bottom(x)
            for i in range(depth - 1, -1, -1):
                x = self.join[i](torch.cat([kept[i], self.up[i](x)], 1))
            return self.output(x)

    return Twin().double()


@pytest.mark.parametrize(("in_channels", "classes", "base", "depth"), [(1, 1, 4, 3), (3, 4, 3, 1)])
def test_forward_and_gradients_are_torchs(
    in_channels: int, classes: int, base: int, depth: int, torch: Any, device: str
) -> None:
    ours = UNet(in_channels, classes, base, depth, generator=0).astype("float64").to(device)
    theirs = torch_twin(torch, in_channels, classes, base, depth)
    state = ours.state_dict()
    assert set(state) == set(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})

    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, in_channels, 16, 8))
    x, y = td.tensor(images, requires_grad=True, device=device), torch.tensor(images, requires_grad=True)
    a, b = ours(x), theirs(y)
    assert a.shape == (2, classes, 16, 8)
    np.testing.assert_allclose(host(a), b.detach().numpy(), rtol=1e-9, atol=1e-11)
    g = rng.normal(size=a.shape)
    a.backward(td.tensor(g, device=device))
    b.backward(torch.tensor(g))
    np.testing.assert_allclose(host(x.grad), y.grad.numpy(), rtol=1e-9, atol=1e-11)
    named = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(
            host(p.grad), named[name].grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=name
        )

    ours.eval()  # with the running values of that one batch
    theirs.eval()
    np.testing.assert_allclose(host(ours(x)), theirs(y).detach().numpy(), rtol=1e-9, atol=1e-11)


def test_parameters_of_the_default_network() -> None:
    def double(a: int, b: int) -> int:
        return 9 * a * b + 2 * b + 9 * b * b + 2 * b

    widths = [16, 32, 64, 128]
    expected = double(1, 16) + sum(double(a, b) for a, b in itertools.pairwise(widths))
    expected += sum(4 * b * a + a + double(b, a) for a, b in itertools.pairwise(widths)) + 17
    assert sum(p.size for p in UNet().parameters()) == expected == 482_449


def test_a_pixel_is_seen_by_the_details_and_by_the_surroundings() -> None:
    """Without the maps that are copied across, pooling would make the answer coarse; without depth, short-sighted."""
    model = UNet(base=2, depth=3, generator=0).astype("float64").eval()
    x = td.tensor(np.random.default_rng(0).normal(size=(1, 1, 64, 64)), requires_grad=True)
    (g,) = td.grad(model(x)[0, 0, 32, 32], [x])
    seen = np.argwhere(host(g)[0, 0] != 0)
    assert seen.min() < 32 - 20
    assert seen.max() > 32 + 20


@pytest.mark.parametrize("size", [(60, 64), (64, 60), (4, 64), (0, 8)])
def test_sizes_that_can_not_be_halved_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"UNet: the image is halved 3 times, so .* multiples of 8, got"):
        UNet(base=1)(td.zeros(1, 1, *size))


def test_the_error_names_the_size_to_pad_to() -> None:
    with pytest.raises(ValueError, match="got 60x65; pad it to 64x72"):
        UNet(base=1)(td.zeros(1, 1, 60, 65))


def test_other_inputs_that_are_refused() -> None:
    with pytest.raises(ValueError, match=r"UNet: expected images \(N, C, H, W\), got shape \(8, 8\)"):
        UNet(base=1)(td.zeros(8, 8))
    with pytest.raises(ValueError, match="input has 3 channels, expected 1"):
        UNet(base=1)(td.zeros(1, 3, 8, 8))
    for wrong in ({"base": 0}, {"depth": 0}, {"classes": 0}, {"in_channels": 0}):
        with pytest.raises(ValueError, match="UNet: in_channels, classes, base and depth must be 1 or more"):
            UNet(**wrong)


def test_the_generator_decides_the_weights() -> None:
    a, b, c = (UNet(base=2, depth=1, generator=seed).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["output.weight"], c["output.weight"])
