"""Normalisation layers: PyTorch's numbers, running values, and what is refused."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import norm as layers
from tinydl.testing.point import host

TESTED = {"BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value) and name[0] != "_"}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3,), {"momentum": 0.4, "eps": 0.01}, (4, 3, 2)),
    ("BatchNorm2d", (3,), {}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"momentum": None}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"affine": False}, (2, 3, 2, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 2, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False, "momentum": None}, (2, 3, 2, 2)),
    ("BatchNorm2d", (3,), {"affine": False, "momentum": None, "eps": 0.1}, (1, 3, 2, 2)),
    ("LayerNorm", (4,), {}, (2, 3, 4)),
    ("LayerNorm", ((3, 4),), {"eps": 0.01}, (2, 3, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (2, 3, 4)),
    ("GroupNorm", (2, 4), {}, (3, 4, 2, 3)),
    ("GroupNorm", (4, 4), {"eps": 0.01}, (3, 4)),
    ("GroupNorm", (1, 4), {"affine": False}, (3, 4, 2)),
]


@pytest.mark.parametrize(("name", "sizes", "options", "shape"), CASES, ids=str)
def test_training_and_evaluation_are_torchs(
    name: str, sizes: Any, options: Any, shape: Any, device: str, torch: Any
) -> None:
    """Three batches in training with gradients, then one in evaluation; all of the state in between."""
    ours, theirs = getattr(nn, name)(*sizes, **options), getattr(torch.nn, name)(*sizes, **options).double()
    ours.astype("float64").to(device)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(0)
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)))
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for step in range(5):
        if step == 3:
            ours.eval()
            theirs.eval()
        x, g = rng.normal(1.0, 2.0, shape), rng.normal(size=shape)
        a, b = td.tensor(x, requires_grad=True, device=device), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(host(y), z.detach().numpy(), rtol=1e-10, atol=1e-11)
        ours_all, theirs_all = [a, *ours.parameters()], [b, *theirs.parameters()]
        mine = td.grad(y, ours_all, td.tensor(g, device=device))
        want = torch.autograd.grad(z, theirs_all, torch.tensor(g))
        for p, q in zip(mine, want, strict=True):
            assert p is not None
            np.testing.assert_allclose(host(p), q.numpy(), rtol=1e-8, atol=1e-9)
        for (key, value), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert value.dtype == other.numpy().dtype
            np.testing.assert_allclose(value, other.numpy(), rtol=1e-12, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", sorted(TESTED))
def test_option_names_and_their_order_are_torchs(name: str, torch: Any) -> None:
    ours = inspect.signature(getattr(nn, name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    assert list(ours) == [p for p in theirs if p not in ("device", "dtype", "bias")]
    assert {k: p.default for k, p in ours.items()} == {k: theirs[k].default for k in ours}


def test_the_average_of_all_batches(device: str) -> None:
    layer = nn.BatchNorm1d(1, momentum=None).to(device)
    for batch in ([0.0, 2.0], [4.0, 6.0], [10.0, 14.0]):
        layer(td.tensor(batch, device=device).reshape(2, 1))
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.item() == pytest.approx((1 + 5 + 12) / 3, rel=1e-6)
    assert layer.running_var.item() == pytest.approx((2 + 2 + 8) / 3, rel=1e-6)
    assert layer.num_batches_tracked is not None
    assert layer.num_batches_tracked.item() == 3


def test_the_state_and_its_first_values() -> None:
    layer = nn.BatchNorm2d(2)
    state = layer.state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert [v.tolist() for v in state.values()] == [[1, 1], [0, 0], [0, 0], [1, 1], 0]
    assert [v.dtype for v in state.values()] == [np.float32] * 4 + [np.int64]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert list(nn.BatchNorm1d(2, affine=False, track_running_stats=False).state_dict()) == []
    assert [v.tolist() for v in nn.LayerNorm((1, 2)).state_dict().values()] == [[[1, 1]], [[0, 0]]]
    assert [v.tolist() for v in nn.GroupNorm(1, 2).state_dict().values()] == [[1, 1], [0, 0]]


def test_evaluation_changes_nothing(device: str) -> None:
    layer = nn.BatchNorm1d(2).to(device).eval()
    before = layer.state_dict()
    layer(td.randn(5, 2, generator=0, device=device))
    after = layer.state_dict()
    assert all(np.array_equal(before[k], after[k]) for k in before)


def test_without_running_values_evaluation_takes_those_of_the_batch(device: str) -> None:
    layer = nn.BatchNorm1d(2, track_running_stats=False).to(device)
    x = td.randn(5, 2, generator=0, device=device)
    assert np.array_equal(host(layer.eval()(x)), host(layer.train()(x)))
    assert layer.running_mean is layer.running_var is layer.num_batches_tracked is None


def test_running_values_change_in_place_and_saved_ones_do_not(device: str) -> None:
    layer = nn.BatchNorm1d(2).to(device)
    assert layer.running_mean is not None
    kept, saved = layer.running_mean, layer.state_dict()
    layer(td.randn(5, 2, generator=0, device=device) + 3)
    assert layer.running_mean is kept
    assert host(kept).min() > 0.1
    assert saved["running_mean"].tolist() == [0.0, 0.0]
    other = nn.BatchNorm1d(2).to(device)
    other.load_state_dict(layer.state_dict())
    assert all(
        np.array_equal(a, b)
        for a, b in zip(layer.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_a_refused_batch_changes_nothing(device: str) -> None:
    for momentum in (0.1, None):
        layer = nn.BatchNorm1d(2, momentum=momentum).to(device)
        for shape, dtype in (((1, 2), "float32"), ((4, 3), "float32"), ((4, 2), "float64")):
            with pytest.raises((ValueError, TypeError), match=r"^BatchNorm1d\(2\): "):
                layer(td.ones(shape, dtype=dtype, device=device))
        assert [v.tolist() for v in layer.state_dict().values()] == [[1, 1], [0, 0], [0, 0], [1, 1], 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_conversion_takes_the_running_values_along(dtype: str, device: str) -> None:
    layer, x = nn.BatchNorm1d(2).to(device).astype(dtype), td.ones(4, 2, dtype=dtype, device=device)
    assert [v.dtype for v in layer.state_dict().values()] == [dtype] * 4 + [np.int64]
    assert layer(x).dtype == dtype
    assert layer.eval()(x).dtype == dtype


@pytest.mark.parametrize(
    ("layer", "shape", "sentence"),
    [
        (nn.BatchNorm1d(3), (4, 2), r"BatchNorm1d\(3\): expected an input \(N, C\) or \(N, C, L\) with C = 3, got"),
        (nn.BatchNorm1d(3), (4, 3, 2, 2), r"BatchNorm1d\(3\): expected an input .*, got \(4, 3, 2, 2\)"),
        (nn.BatchNorm1d(3), (3,), r"BatchNorm1d\(3\): expected an input .*, got \(3,\)"),
        (nn.BatchNorm2d(3), (4, 3), r"BatchNorm2d\(3\): expected an input \(N, C, H, W\) with C = 3, got \(4, 3\)"),
        (nn.BatchNorm2d(3), (4, 2, 5, 5), r"BatchNorm2d\(3\): expected an input .*, got \(4, 2, 5, 5\)"),
        (nn.BatchNorm1d(3), (1, 3), r"BatchNorm1d\(3\): training needs more than one value a channel, got 1"),
        (nn.BatchNorm2d(3), (1, 3, 1, 1), r"BatchNorm2d\(3\): training needs more than one value a channel, got 1"),
        (nn.LayerNorm((2, 3)), (4, 3, 2), r"LayerNorm\(\(2, 3\)\): expected an input \(\.\.\., 2, 3\), got \(4, 3"),
        (nn.GroupNorm(2, 4), (4, 3), r"GroupNorm\(2, 4\): input \(4, 3\) \(N, C, \.\.\.\) can't be split into 2"),
        (nn.GroupNorm(2, 4), (4, 6), r"GroupNorm\(2, 4\): expected weight of shape \(6,\), got \(4,\)"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_name_the_layer(layer: Any, shape: Any, sentence: str, device: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        layer.to(device)(td.ones(shape, device=device))


def test_another_dtype_names_the_layer(device: str) -> None:
    with pytest.raises(
        TypeError, match=r"^BatchNorm1d\(3\): running_mean is float32, the input float64; convert one"
    ):
        nn.BatchNorm1d(3).to(device)(td.ones(4, 3, dtype="float64", device=device))


def test_impossible_sizes_are_refused_when_the_layer_is_made() -> None:
    for layer in (nn.BatchNorm1d, nn.BatchNorm2d):
        with pytest.raises(ValueError, match=rf"{layer.__name__}\(0\): expected one channel or more"):
            layer(0)
    for groups, channels in ((3, 4), (0, 4)):
        with pytest.raises(
            ValueError, match=f"GroupNorm: {channels} channels can't be split into {groups} groups"
        ):
            nn.GroupNorm(groups, channels)


def test_repr() -> None:
    assert repr(nn.BatchNorm1d(3)) == "BatchNorm1d(3)"
    assert repr(nn.BatchNorm2d(3)) == "BatchNorm2d(3)"
    assert repr(nn.LayerNorm(3)) == "LayerNorm((3,))"
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4)"
