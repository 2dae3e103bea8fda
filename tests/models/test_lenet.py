"""LeNet-5: the published sizes, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import LeNet5
from tinydl.testing.point import host


def test_61_706_parameters() -> None:
    model = LeNet5()
    assert sum(p.size for p in model.parameters()) == 61_706
    by_layer: dict[str, int] = {}
    for name, p in model.named_parameters():
        layer = name.split(".")[0]
        by_layer[layer] = by_layer.get(layer, 0) + p.size
    assert by_layer == {"c1": 156, "c3": 2_416, "c5": 48_120, "f6": 10_164, "output": 850}


def test_shapes_layer_by_layer(device: str) -> None:
    model = LeNet5().to(device)
    seen: list[tuple[str, tuple[int, ...]]] = []
    for name, module in model.named_modules():
        if name and name != "activation":
            module.register_forward_hook(lambda m, i, out, name=name: seen.append((name, out.shape)))
    assert model(td.zeros(2, 1, 32, 32, device=device)).shape == (2, 10)
    assert seen == [
        ("c1", (2, 6, 28, 28)),
        ("s2", (2, 6, 14, 14)),
        ("c3", (2, 16, 10, 10)),
        ("s4", (2, 16, 5, 5)),
        ("c5", (2, 120, 1, 1)),
        ("f6", (2, 84)),
        ("output", (2, 10)),
    ]


def torch_twin(torch: Any, activation: str, pool: str) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c1 = nn.Conv2d(1, 6, 5)
            self.s2 = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}[pool](2)
            self.c3 = nn.Conv2d(6, 16, 5)
            self.s4 = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}[pool](2)
            self.c5 = nn.Conv2d(16, 120, 5)
            self.f6 = nn.Linear(120, 84)
            self.output = nn.Linear(84, 10)
            self.activation = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}[activation]()

        def forward(self, x: Any) -> Any:
            a = self.activation
            x = self.s4(a(self.c3(self.s2(a(self.c1(x))))))
            return self.output(a(self.f6(a(self.c5(x)).flatten(1))))

    return Twin().double()


@pytest.mark.parametrize(("activation", "pool"), [("tanh", "avg"), ("sigmoid", "avg"), ("relu", "max")])
def test_forward_gradients_and_a_step_are_torchs(activation: str, pool: str, device: str, torch: Any) -> None:
    ours = LeNet5(activation=activation, pool=pool, generator=0).astype("float64").to(device)
    theirs = torch_twin(torch, activation, pool)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})

    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(3, 1, 32, 32)), rng.integers(0, 10, 3)
    x, y = td.tensor(images, requires_grad=True, device=device), torch.tensor(images, requires_grad=True)
    a, b = ours(x), theirs(y)
    np.testing.assert_allclose(host(a), b.detach().numpy(), rtol=1e-10, atol=1e-12)

    optimizer = td.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    td.losses.cross_entropy(a, td.tensor(labels, device=device)).backward()
    torch.nn.functional.cross_entropy(b, torch.tensor(labels)).backward()
    assert x.grad is not None
    np.testing.assert_allclose(host(x.grad), y.grad.numpy(), rtol=1e-10, atol=1e-13)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert p.grad is not None
        np.testing.assert_allclose(host(p.grad), q.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
    optimizer.step()
    other.step()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(host(p), q.detach().numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


def test_the_generator_decides_the_weights() -> None:
    a, b, c = (LeNet5(generator=seed).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not any(np.array_equal(a[k], c[k]) for k in a)


def test_options(device: str) -> None:
    model = LeNet5(classes=3, channels=2).to(device)
    assert model(td.zeros(1, 2, 32, 32, device=device)).shape == (1, 3)
    for wrong in ({"activation": "swish"}, {"pool": "min"}):
        with pytest.raises(ValueError, match="LeNet5: activation must be one of"):
            LeNet5(**wrong)


def test_images_of_another_size_say_which_layer_refuses_them(device: str) -> None:
    model = LeNet5().to(device)
    with pytest.raises(ValueError, match="Conv2d"):
        model(td.zeros(1, 1, 28, 28, device=device))
    with pytest.raises(ValueError, match=r"Conv2d\(1, 6, kernel_size=5\): input has 3 channels, expected 1"):
        model(td.zeros(1, 3, 32, 32, device=device))


def test_it_learns_eight_random_images_by_heart(device: str) -> None:
    x, labels = td.randn(8, 1, 32, 32, generator=0, device=device), td.arange(8, device=device)
    model = LeNet5(generator=0).to(device)
    optimizer = td.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(12):
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2
    assert td.metrics.accuracy(model(x), labels) == 1.0
