"""FCN, SegNet and ENet: PyTorch's numbers where the wiring is their own, sizes, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import FCN, ENet, SegNet, UNet
from tinydl.models.enet import Bottleneck, Doubling, Halving
from tinydl.nn import Module
from tinydl.testing.point import host

NETWORKS: list[Callable[..., Module]] = [FCN, SegNet, ENet]


def blocks(torch: Any) -> tuple[Callable[..., Any], Callable[[int, int], Any]]:
    nn = torch.nn

    def conv(a: int, b: int) -> list[Any]:
        return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

    return conv, lambda a, b: nn.Sequential(*conv(a, b), *conv(b, b))


def fcn_twin(torch: Any) -> Any:
    nn = torch.nn
    _, double = blocks(torch)

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList([double(2, 3), double(3, 6), double(6, 12), double(12, 24)])
            self.scores = nn.ModuleList([nn.Conv2d(c, 2, 1) for c in (6, 12, 24)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False) for _ in range(3)])

        def forward(self, x: Any) -> Any:
            pool = nn.functional.max_pool2d
            half = self.stages[1](pool(self.stages[0](x), 2))
            quarter = self.stages[2](pool(half, 2))
            eighth = self.stages[3](pool(quarter, 2))
            at4 = self.up[2](self.scores[2](eighth)) + self.scores[1](quarter)
            at2 = self.up[1](at4) + self.scores[0](half)
            return self.up[0](at2)

    return Twin()


def segnet_twin(torch: Any) -> Any:
    nn = torch.nn
    conv, double = blocks(torch)

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.ModuleList([double(2, 3), double(3, 6), double(6, 12)])
            self.decoder = nn.ModuleList(
                [nn.Sequential(*conv(a, a), *conv(a, b)) for a, b in ((12, 6), (6, 3), (3, 3))]
            )
            self.output = nn.Conv2d(3, 2, 1)
            self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

        def forward(self, x: Any) -> Any:
            x, first = self.pool(self.encoder[0](x))
            x, second = self.pool(self.encoder[1](x))
            x, third = self.pool(self.encoder[2](x))
            x = self.decoder[0](self.unpool(x, third))
            x = self.decoder[1](self.unpool(x, second))
            return self.output(self.decoder[2](self.unpool(x, first)))

    return Twin()


@pytest.mark.parametrize(("ours", "twin"), [(FCN, fcn_twin), (SegNet, segnet_twin)])
def test_forward_and_gradients_are_torchs(ours: Any, twin: Any, torch: Any, device: str) -> None:
    model = ours(2, 2, base=3, generator=0).astype("float64").to(device)
    theirs = twin(torch).double()
    state = model.state_dict()
    assert set(state) == set(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 2, 16, 24))
    x, y = td.tensor(images, requires_grad=True, device=device), torch.tensor(images, requires_grad=True)
    a, b = model(x), theirs(y)
    np.testing.assert_allclose(host(a), b.detach().numpy(), rtol=1e-9, atol=1e-11)
    g = rng.normal(size=a.shape)
    a.backward(td.tensor(g, device=device))
    b.backward(torch.tensor(g))
    np.testing.assert_allclose(host(x.grad), y.grad.numpy(), rtol=1e-9, atol=1e-11)
    named = dict(theirs.named_parameters())
    for name, p in model.named_parameters():
        np.testing.assert_allclose(
            host(p.grad), named[name].grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=name
        )


def test_the_bottlenecks_of_enet_are_torchs(torch: Any) -> None:
    """Each kind by functions of PyTorch, with the weights of ours."""
    f = torch.nn.functional
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 8, 16, 16))

    def weights(module: Module) -> list[Any]:
        return [
            torch.tensor(v) for n, v in module.state_dict().items() if n.endswith("weight") and v.ndim == 4
        ]

    def norm(z: Any) -> Any:
        return f.batch_norm(z, None, None, training=True)

    def close(ours: td.Tensor, theirs: Any) -> None:
        np.testing.assert_allclose(host(ours), theirs.numpy(), rtol=1e-9, atol=1e-11)

    t = torch.tensor(x)
    for options, middle in (
        ({}, lambda z, w: f.conv2d(z, w[0], padding=1)),
        ({"dilation": 4}, lambda z, w: f.conv2d(z, w[0], padding=4, dilation=4)),
        (
            {"asymmetric": True},
            lambda z, w: f.conv2d(f.conv2d(z, w[0], padding=(2, 0)), w[1], padding=(0, 2)),
        ),
    ):
        block = Bottleneck(8, td.Generator(3), **options).astype("float64")
        squeeze, *inner, expand = weights(block)
        z = f.relu(norm(middle(f.relu(norm(f.conv2d(t, squeeze))), inner)))
        close(block(td.tensor(x)), f.relu(t + norm(f.conv2d(z, expand))))

    down = Halving(8, 12, td.Generator(4)).astype("float64")
    squeeze, inner, expand = weights(down)
    z = f.relu(norm(f.conv2d(f.relu(norm(f.conv2d(t, squeeze, stride=2))), inner, padding=1)))
    pooled, places = f.max_pool2d(t, 2, return_indices=True)
    small, ours = down(td.tensor(x))
    close(small, f.relu(f.pad(pooled, (0, 0, 0, 0, 0, 4)) + norm(f.conv2d(z, expand))))
    np.testing.assert_array_equal(host(ours), places.numpy())

    up = Doubling(12, 8, td.Generator(5)).astype("float64")
    reduce, squeeze, inner, expand = weights(up)
    s = torch.tensor(host(small))
    z = f.relu(norm(f.conv_transpose2d(f.relu(norm(f.conv2d(s, squeeze))), inner, stride=2)))
    main = f.max_unpool2d(norm(f.conv2d(s, reduce)), places, 2)
    close(up(td.tensor(host(small)), ours), f.relu(main + norm(f.conv2d(z, expand))))


@pytest.mark.parametrize("network", NETWORKS)
def test_sizes_and_every_parameter_learns(network: Callable[..., Module], device: str) -> None:
    model = network(in_channels=3, classes=5, generator=0).to(device)
    out = model(td.randn(2, 3, 16, 24, generator=0, device=device))
    assert out.shape == (2, 5, 16, 24)
    (out * td.randn(*out.shape, generator=1, device=device)).sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert np.abs(host(p.grad)).max() > 0, name


@pytest.mark.parametrize("network", NETWORKS)
def test_what_they_refuse(network: Callable[..., Module]) -> None:
    name = getattr(network, "__name__", "")
    with pytest.raises(ValueError, match=f"{name}: the image is halved 3 times.* got 20x16; pad it to 24x16"):
        network()(td.zeros(1, 1, 20, 16))
    with pytest.raises(ValueError, match="expected 2"):
        network(in_channels=2)(td.zeros(1, 1, 16, 16))
    for wrong in ({"classes": 0}, {"in_channels": 0}):
        with pytest.raises(ValueError, match=f"{name}: in_channels"):
            network(**wrong)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_generator_decides_the_weights(network: Callable[..., Module]) -> None:
    a, b, c = (network(generator=seed).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert any(not np.array_equal(a[k], c[k]) for k in a)


def test_fcn_begins_with_bilinear_interpolation() -> None:
    up = FCN(classes=2).up[0]
    x = td.tensor(np.random.default_rng(0).normal(size=(1, 2, 5, 6)).astype(np.float32))
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # at the border it sees zeros
    expected = td.functional.interpolate(x, scale_factor=2, mode="bilinear")
    np.testing.assert_allclose(host(up(x))[inner], host(expected)[inner], rtol=1e-5, atol=1e-6)


def test_all_are_smaller_than_u_net() -> None:
    sizes = {network: sum(p.size for p in network().parameters()) for network in (UNet, *NETWORKS)}
    assert [sizes[network] for network in NETWORKS] == [293_987, 146_113, 135_080]
    assert max(sizes, key=lambda network: sizes[network]) is UNet
