"""Autoencoders: shapes, PyTorch's numbers, and what is known of the linear one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.data import principal_components
from tinydl.models import Autoencoder, ConvAutoencoder
from tinydl.testing.point import host


def parameters(model: nn.Module) -> int:
    return sum(p.size for p in model.parameters())


def test_the_sizes_go_down_and_up_again() -> None:
    model = Autoencoder((784, 256, 64, 3), nn.Tanh)
    shapes = [p.shape for name, p in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(256, 784), (64, 256), (3, 64), (64, 3), (256, 64), (784, 256)]
    assert [type(layer).__name__ for layer in model.encoder] == [
        "Flatten", "Dense", "Tanh", "Dense", "Tanh", "Dense",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in model.decoder] == [
        "Dense", "Tanh", "Dense", "Tanh", "Dense", "Sigmoid",
    ]  # fmt: skip
    assert parameters(Autoencoder()) == 936_466


def test_the_output_has_the_shape_of_the_input(device: str) -> None:
    model = Autoencoder((12, 5, 2), generator=0).to(device)
    x = td.rand(4, 3, 2, 2, generator=1, device=device)
    assert model.encode(x).shape == (4, 2)
    assert model.decode(model.encode(x)).shape == (4, 12)
    assert model(x).shape == x.shape
    assert (host(model(x)) == host(model.decode(model.encode(x))).reshape(x.shape)).all()


def test_code_and_output_are_what_is_asked_for() -> None:
    x = td.randn(50, 6, generator=0) * 10
    bounded = Autoencoder((6, 3), code=nn.Tanh, generator=0)
    assert (np.abs(bounded.encode(x).numpy()) <= 1).all()
    free = Autoencoder((6, 3), output=None, generator=0)
    assert (free(x).numpy() < 0).any()
    inside = Autoencoder((6, 3), generator=0)(x).numpy()
    assert (inside > 0).all()
    assert (inside < 1).all()


def test_pca_is_where_a_linear_autoencoder_comes_to_rest() -> None:
    """The gradient is 0 at the principal components, and not at other directions."""
    x = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([3.0, 2, 1, 1, 0.5, 0.1])
    pca = principal_components(x.astype(np.float32), 2)
    model = Autoencoder((6, 2), output=None).astype("float64")
    down, up = model.encoder[1], model.decoder[0]

    def steepness(components: np.ndarray[Any, Any]) -> float:
        model.load_state_dict(
            {
                "encoder.1.weight": components,
                "encoder.1.bias": -components @ pca.mean,
                "decoder.0.weight": components.T,
                "decoder.0.bias": pca.mean,
            }
        )
        for p in model.parameters():
            p.grad = None
        loss = td.losses.mse(model(td.tensor(x)), td.tensor(x))
        loss.backward()
        rebuilt = pca.decode(pca.encode(x.astype(np.float32)))
        if components is pca.components:
            assert loss.item() == pytest.approx(np.square(rebuilt - x).mean(), rel=1e-5)
        return max(float(np.abs(p.grad.numpy()).max()) for p in (down.weight, down.bias, up.weight, up.bias))

    assert steepness(pca.components) < 1e-5
    assert steepness(np.eye(6)[[2, 4]]) > 0.01


def torch_dense(torch: Any) -> Any:
    t = torch.nn
    encoder = t.Sequential(t.Flatten(), t.Linear(16, 6), t.ReLU(), t.Linear(6, 2))
    decoder = t.Sequential(t.Linear(2, 6), t.ReLU(), t.Linear(6, 16), t.Sigmoid())
    return t.ModuleDict({"encoder": encoder, "decoder": decoder}).double()


def torch_conv(torch: Any, code: int | None) -> Any:
    t = torch.nn
    down = [t.Conv2d(3, 4, 3, 2, 1), t.ELU(), t.Conv2d(4, 5, 3, 2, 1), t.ELU()]
    up = [t.ConvTranspose2d(5, 4, 4, 2, 1), t.ELU(), t.ConvTranspose2d(4, 3, 4, 2, 1), t.Sigmoid()]
    if code is not None:
        down += [t.Flatten(), t.Linear(5 * 2 * 2, code)]
        up = [t.Linear(code, 5 * 2 * 2), t.ELU(), t.Unflatten(1, (5, 2, 2)), *up]
    return t.ModuleDict({"encoder": t.Sequential(*down), "decoder": t.Sequential(*up)}).double()


@pytest.mark.parametrize("kind", ["dense", "maps", "code"])
def test_forward_and_gradients_are_torchs(kind: str, device: str, torch: Any) -> None:
    code = 3 if kind == "code" else None
    ours: nn.Module
    if kind == "dense":
        ours, theirs = Autoencoder((16, 6, 2), generator=0), torch_dense(torch)
    else:
        ours = ConvAutoencoder((3, 4, 5), code=code, side=8, activation=nn.ELU, generator=0)
        theirs = torch_conv(torch, code)
    ours = ours.astype("float64").to(device)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    images = np.random.default_rng(0).uniform(size=(2, 1, 4, 4) if kind == "dense" else (2, 3, 8, 8))
    x, y = td.tensor(images, device=device), torch.tensor(images)
    a, b = ours(x), theirs["decoder"](theirs["encoder"](y)).reshape(y.shape)
    np.testing.assert_allclose(host(a), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    td.losses.mse(a, x).backward()
    torch.nn.functional.mse_loss(b, y).backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert p.grad is not None
        np.testing.assert_allclose(host(p.grad), q.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("channels", "shape", "code"),
    [
        ((1, 16, 32), (2, 1, 28, 28), (2, 32, 7, 7)),
        ((3, 4, 8), (1, 3, 12, 20), (1, 8, 3, 5)),
        ((3, 4), (1, 3, 6, 10), (1, 4, 3, 5)),
        ((1, 2, 3, 4), (1, 1, 32, 16), (1, 4, 4, 2)),
    ],
)
def test_maps_are_halved_and_doubled(
    channels: tuple[int, ...], shape: tuple[int, ...], code: tuple[int, ...], device: str
) -> None:
    model = ConvAutoencoder(channels, generator=0).to(device)
    x = td.rand(*shape, generator=0, device=device)
    assert model.encode(x).shape == code
    assert model(x).shape == shape
    assert (host(model(x)) > 0).all()
    assert (host(model(x)) < 1).all()


def test_a_code_of_numbers() -> None:
    model = ConvAutoencoder(code=32, generator=0)
    assert parameters(model) == 115_217
    x = td.rand(2, 1, 28, 28, generator=0)
    assert model.encode(x).shape == (2, 32)
    assert model(x).shape == (2, 1, 28, 28)


def test_every_pixel_is_painted_equally_often() -> None:
    """With weights of 1 a transposed convolution gives a flat picture, but for its border: no chequerboard."""
    up = ConvAutoencoder((1, 1), generator=0).decoder[0]
    up.load_state_dict({"weight": np.ones((1, 1, 4, 4), np.float32), "bias": np.zeros(1, np.float32)})
    inside = up(td.ones(1, 1, 5, 5)).numpy()[0, 0, 1:-1, 1:-1]
    assert (inside == 4).all()


def test_what_does_not_fit_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=r"Autoencoder: expected two sizes or more, .*, got \(784,\)"):
        Autoencoder((784,))
    with pytest.raises(
        ValueError, match=r"ConvAutoencoder: expected two numbers of channels or more, got \(1,\)"
    ):
        ConvAutoencoder((1,))
    with pytest.raises(ValueError, match="multiples of 4, got 30x30; crop or pad them"):
        ConvAutoencoder(code=8, side=30)
    with pytest.raises(ValueError, match="Dense"):
        Autoencoder((4, 2)).to(device)(td.ones(3, 5, device=device))
    model = ConvAutoencoder().to(device)
    with pytest.raises(ValueError, match="multiples of 4, got 28x30; crop or pad them"):
        model(td.ones(1, 1, 28, 30, device=device))
    with pytest.raises(ValueError, match=r"Conv2d\(1, 16.*input has 3 channels, expected 1"):
        model(td.ones(1, 3, 28, 28, device=device))


def test_the_generator_decides_the_weights() -> None:
    for build in (
        lambda seed: Autoencoder((6, 3), generator=seed),
        lambda seed: ConvAutoencoder(generator=seed),
    ):
        a, b, c = (build(seed).state_dict() for seed in (0, 0, 1))
        assert all(np.array_equal(a[k], b[k]) for k in a)
        assert not any(np.array_equal(a[k], c[k]) for k in a)
