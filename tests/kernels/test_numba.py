"""The kernels that Numba compiles against NumPy's: the same bits, or the same up to the rounding of sums."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from benchmarks.networks import tinydl as library
from benchmarks.networks import unet, vae
from tinydl.device import get_device
from tinydl.kernels import cpu, cpu_norm, reference
from tinydl.testing import memory_order, strategies

numba = pytest.importorskip("numba")

from tinydl.kernels import numba_cpu, numba_elementwise, numba_norm  # noqa: E402  where Numba is there

LAYOUTS = (*strategies.IMAGE_LAYOUTS, "transposed", "strided")
DTYPES = (np.float32, np.float64)
RULES: tuple[Callable[..., Any], ...] = (
    lambda p: td.optim.SGD(p, lr=0.1),
    lambda p: td.optim.SGD(p, lr=0.1, weight_decay=0.01),
    lambda p: td.optim.SGD(p, lr=0.1, momentum=0.9),
    lambda p: td.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: td.optim.Adam(p, lr=0.01),
    lambda p: td.optim.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1),
    lambda p: td.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    lambda p: td.optim.RMSprop(p, lr=0.01),  # which has no kernel
)


def drawn_images(data: Any, dtype: Any, shape: tuple[int, ...] | None = None) -> Any:
    shape = shape or tuple(data.draw(st.sampled_from((1, 2, 3, 4, 17))) for _ in range(4))
    return data.draw(strategies.arrays(shape, dtype, layout=data.draw(st.sampled_from(LAYOUTS))))


# ---- kernel by kernel


@given(data=st.data(), dtype=st.sampled_from(DTYPES), alike=st.booleans())
def test_the_gradient_of_relu_has_the_same_bits(data: Any, dtype: Any, alike: bool) -> None:
    y = np.maximum(drawn_images(data, dtype), 0)
    u = y[...] * -3 if alike else drawn_images(data, dtype, y.shape)
    calls = []

    def compute(u: Any, y: Any, out: Any) -> None:
        calls.append(u)
        np.multiply(u, y > 0, out=out)

    want = cpu.activation(np, "relu_gradient", compute, u, y)
    found = numba_cpu.activation(np, "relu_gradient", compute, u, y)
    assert found.dtype == want.dtype
    assert found.strides == want.strides
    assert found.tobytes() == want.tobytes()


def test_which_arrays_the_kernels_take() -> None:
    """Elements side by side, in any order of the axes that all arrays share; NumPy computes all else."""
    x = np.ones((2, 3, 4), np.float32)
    plain: list[Any] = []

    def runs(*arrays: Any) -> bool:
        plain.clear()
        numba_elementwise.Fused(lambda *_: plain.append(1), lambda *_: None)(*arrays)
        return not plain

    assert runs(x, x)
    assert runs(x.T, x.T)
    assert runs(x.transpose(1, 2, 0), x.transpose(1, 2, 0))
    assert runs(np.float64(1).reshape(()))
    assert not runs(x, np.asfortranarray(x))
    assert not runs(x[:, ::2], x[:, ::2])
    assert not runs(x, x.astype(np.float64))
    assert not runs(x.astype(">f4"))
    assert not runs(x.astype(np.int64))


@given(data=st.data(), dtype=st.sampled_from(DTYPES), eps=st.sampled_from((0.1, 1e-3)))
def test_batch_norm(data: Any, dtype: Any, eps: float) -> None:
    x = drawn_images(data, dtype)
    g = drawn_images(data, dtype, x.shape)
    weight, bias = (
        data.draw(st.none() | strategies.arrays((x.shape[1],), dtype, 0.5, 2.0)) for _ in range(2)
    )
    before = x.tobytes(), g.tobytes()
    tol = 1e-10 if dtype == np.float64 else 2e-4

    def computed(kernels: Any) -> list[Any]:
        forward = kernels.batch_norm(np, x, weight, bias, eps)
        _, mean, var = reference.batch_norm(np, x, weight, bias, eps)
        return [*forward, *kernels.batch_norm_gradient(np, g, x, weight, mean, var, eps)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_norm, "_SHORT", data.draw(st.sampled_from((cpu_norm._SHORT, 1))))
        found, plain = computed(numba_norm), computed(cpu)
    want = computed(reference)
    for name, a, b, c in zip(
        ("out", "mean", "var", "dx", "dweight", "dbias"), found, plain, want, strict=True
    ):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert memory_order(a) == memory_order(b)
        np.testing.assert_allclose(a, c, rtol=tol, atol=tol * max(1.0, np.abs(c).max()), err_msg=name)
    assert (x.tobytes(), g.tobytes()) == before


def test_several_blocks_and_a_large_mean() -> None:
    """10000, of which float32 keeps three decimals, in more than one block of rows."""
    x = (strategies.lay_out(td.Generator(0).normal((8, 16, 64, 64)), "hcwn") + 1e4).astype(np.float32)
    out, mean, var = numba_norm.batch_norm(np, x, None, None, 1e-5)
    for found, want in zip(
        (out, mean, var), reference.batch_norm(np, x.astype("f8"), None, None, 1e-5), strict=True
    ):
        np.testing.assert_allclose(found, want, rtol=0, atol=3e-3)


def test_arrays_that_may_not_be_written() -> None:
    x = td.Generator(0).normal((2, 3, 4, 5))
    x.flags.writeable = False
    for found, want in zip(
        numba_norm.batch_norm_gradient(np, x, x, None, x[0, :, 0, 0], x[0, :, 0, 0] ** 2, 1e-5),
        cpu.batch_norm_gradient(np, x, x, None, x[0, :, 0, 0], x[0, :, 0, 0] ** 2, 1e-5),
        strict=True,
    ):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_optimisers_have_the_same_bits(rule: Callable[..., Any], dtype: Any) -> None:
    """After several steps, for parameters that lie in any way and one without a gradient; buffers, too."""

    def after(compiled: bool) -> list[Any]:
        random = td.Generator(0)
        lays = [strategies.lay_out(random.normal((4, 3, 2, 5)).astype(dtype), layout) for layout in LAYOUTS]
        lays += [random.normal(shape).astype(dtype) for shape in ((), (7,), (300, 400))]
        params = [td.tensor(a, requires_grad=True) for a in lays]
        params[0]._data = strategies.lay_out(params[0].numpy(), "strided")  # with gaps in memory
        unused = td.tensor(lays[0], requires_grad=True)
        optimizer = rule([*params, unused])
        for _ in range(3):
            optimizer.zero_grad()
            with td.numba_kernels() if compiled else nullcontext():
                sum((p * p * td.tensor(random.normal(p.shape, dtype))).sum() for p in params).backward()
                optimizer.step()
            optimizer.lr *= 0.7
        buffers = optimizer.state_dict()["buffers"]
        return [p.numpy().tobytes() for p in (*params, unused)] + [a.tobytes() for a in buffers.values()]

    assert after(True) == after(False)


def test_large_parameters_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_elementwise.threads, "WORTHWHILE", 1e5)
    test_optimisers_have_the_same_bits(RULES[4], np.float32)


def test_a_rule_of_ones_own_is_not_compiled() -> None:
    class Half(td.optim.Adam):
        def update(self, data: Any, grad: Any, step: int, **buffers: Any) -> None:
            data /= 2

    p = td.tensor([4.0, 2.0], requires_grad=True)
    with td.numba_kernels():
        (p * p).sum().backward()
        Half([p]).step()
    assert p.numpy().tolist() == [2.0, 1.0]


# ---- networks


def trained(network: Any, loss: Callable[..., Any], batch: list[Any], compiled: bool) -> list[Any]:
    """Losses of three steps of Adam, and the weights after them."""
    td.manual_seed(0)
    model = network(library())
    optimizer = td.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    with td.numba_kernels() if compiled else nullcontext():
        for _ in range(3):
            optimizer.zero_grad()
            value = loss(model, *batch)
            value.backward()
            optimizer.step()
            losses.append(value.item())
    return [np.array(losses), *(p.numpy() for p in model.parameters())]


def test_a_variational_autoencoder_learns_the_same_bits() -> None:
    random = td.Generator(0)
    x, noise = td.tensor(random.random((8, 784))), td.tensor(random.normal((8, 20)))

    def loss(model: Any, x: Any, noise: Any) -> Any:
        logits, mu, logvar = model(x, noise)
        return td.losses.binary_cross_entropy_with_logits(logits, x) + td.losses.gaussian_kl(mu, logvar)

    plain, compiled = (trained(vae, loss, [x, noise], compiled) for compiled in (False, True))
    assert [a.tobytes() for a in compiled] == [a.tobytes() for a in plain]


def test_a_unet_learns_the_same() -> None:
    """Up to rounding: Adam makes full steps of the smallest gradients, so weights differ by more than losses."""
    random = td.Generator(0)
    x = td.tensor(random.normal((2, 1, 16, 16)))
    mask = td.tensor((random.random((2, 1, 16, 16)) > 0.5).astype(np.float32))

    def loss(model: Any, x: Any, mask: Any) -> Any:
        return td.losses.binary_cross_entropy_with_logits(model(x), mask)

    def network(library: Any) -> Any:
        return unet(library, base=4)

    plain, compiled = (trained(network, loss, [x, mask], compiled) for compiled in (False, True))
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-4)
    for found, want in zip(compiled[1:], plain[1:], strict=True):
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-3)


def test_second_derivatives_through_them() -> None:
    x = td.tensor(td.Generator(0).normal((3, 2, 4, 5), np.float64), requires_grad=True)
    weight = td.tensor([0.5, 2.0], dtype="float64", requires_grad=True)

    def second() -> list[Any]:
        out = td.relu(td.functional.batch_norm(x, None, None, weight, None, training=True))
        (first,) = td.grad((out**3).sum(), [x], create_graph=True)
        return [g.numpy() for g in td.grad((first * first).sum(), [x, weight])]

    plain = second()
    with td.numba_kernels():
        compiled = second()
        assert td.testing.gradcheck(
            lambda x, weight: td.functional.batch_norm(x, None, None, weight, None, training=True),
            [x, weight],
        )
    for found, want in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-9)


# ---- how they are chosen


def which() -> list[str]:
    layer, x = td.nn.BatchNorm2d(2), td.ones(3, 2, 4, 4, requires_grad=True)
    optimizer = td.optim.Adam(layer.parameters())
    with td.trace() as kernels:
        td.relu(layer(x)).sum().backward()
        optimizer.step()
    return [call.kernels[0] for call in kernels]


COMPILED = [
    "numba_norm.batch_norm",
    "reference.relu",
    "numba_elementwise.activation",
    "numba_norm.batch_norm_gradient",
    "numba_elementwise.updates",
]


def test_they_run_inside_it_alone() -> None:
    plain = which()
    assert not any("numba" in name for name in plain)
    with td.numba_kernels():
        assert which() == COMPILED
        with td.numba_kernels():
            assert which() == COMPILED
        assert which() == COMPILED
        with td.textbook():
            assert all(name.startswith("reference.") for name in which())
        assert which() == COMPILED
    assert which() == plain
    with td.textbook(), td.numba_kernels():
        assert all(name.startswith("reference.") for name in which())
    with pytest.raises(KeyError), td.numba_kernels():
        raise KeyError
    assert which() == plain


def test_other_devices_keep_their_kernels() -> None:
    before = get_device("strict").kernels
    with td.numba_kernels():
        assert get_device("strict").kernels is before
        assert get_device("cpu").kernels is numba_cpu


def test_other_threads_do_not_see_it() -> None:
    seen: list[list[str]] = []
    with td.numba_kernels():
        thread = threading.Thread(target=lambda: seen.append(which()))
        thread.start()
        thread.join()
    assert not any("numba" in name for name in seen[0])


def test_bad_input_raises_the_same() -> None:
    def errors() -> list[str]:
        found = []
        for bad in (
            lambda: td.functional.batch_norm(td.ones(2, 3, 4, 4), None, None, td.ones(2), training=True),
            lambda: td.functional.batch_norm(td.ones(1, 3, 1, 1), None, None, training=True),
            lambda: td.relu("x"),
            lambda: td.optim.Adam([td.ones(2, requires_grad=True)], betas=(2.0, 0.9)),
        ):
            with pytest.raises((ValueError, TypeError)) as caught:
                bad()
            found.append(f"{caught.type.__name__}: {caught.value}")
        return found

    plain = errors()
    with td.numba_kernels():
        assert errors() == plain


def test_where_no_folder_can_keep_them_they_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    njit = numba.njit

    def refuses(function: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", refuses)
    assert numba_elementwise.compiled(lambda x: x + 1)(2) == 3
