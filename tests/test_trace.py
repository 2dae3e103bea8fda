"""td.trace: it names the kernels that ran, in the order in which they did, and changes nothing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tinydl as td
from tinydl.trace import KernelCall, Trace

F = td.functional


def convolve(**options: int) -> Trace:
    with td.trace() as kernels:
        F.conv2d(td.ones(2, 3, 6, 5), td.ones(4, 3, 3, 3), **options)
    return kernels


def test_the_fast_kernel() -> None:
    (call,) = convolve()
    assert (call.op, call.kernels) == ("Conv2d.forward", ("cpu_conv.conv2d",))
    assert call.shapes == ((2, 3, 6, 5), (4, 3, 3, 3))
    assert call.seconds > 0


def test_a_fast_kernel_that_leaves_the_case_to_the_textbook() -> None:
    (call,) = convolve(dilation=2)
    assert call.kernels[:2] == ("cpu_conv.conv2d", "reference.conv2d")


def test_the_textbook_by_choice() -> None:
    with td.textbook():
        (call,) = convolve()
    assert call.kernels[0] == "reference.conv2d"


def test_a_training_step_in_its_order() -> None:
    layer = td.nn.Dense(4, 2, generator=0)
    optimizer = td.optim.Adam(layer.parameters())
    with td.trace() as kernels:
        layer(td.ones(3, 4)).sum().backward()
        optimizer.step()
    assert [call.op for call in kernels] == ["Dense.forward", "MatMul.forward", "Adam.step"]
    assert kernels[0].shapes == ((3, 4), (4, 2))
    # Weight and bias are one call: each with its gradient, mean and square.
    assert kernels[-1].shapes == ((2, 4),) * 4 + ((2,),) * 4


def test_the_table_adds_calls_up_and_begins_with_the_longest() -> None:
    kernels = Trace(
        [
            KernelCall("A.forward", ("cpu.a",), (), 0.001),
            KernelCall("B.forward", ("cpu.b", "reference.b"), (), 0.0015),
            KernelCall("A.forward", ("cpu.a",), (), 0.002),
        ]
    )
    assert str(kernels).splitlines() == [
        "operation  kernel               calls        ms",
        "A.forward  cpu.a                    2      3.00",
        "B.forward  cpu.b > reference.b      1      1.50",
    ]


def test_values_are_the_same_and_the_hook_is_gone() -> None:
    x, weight = td.randn(2, 3, 6, 5, generator=0), td.randn(4, 3, 3, 3, generator=1)
    alone = F.conv2d(x, weight)
    with td.trace():
        traced = F.conv2d(x, weight)
    np.testing.assert_array_equal(traced.numpy(), alone.numpy())
    assert sys.getprofile() is None


def test_the_hook_is_gone_after_an_error() -> None:
    with pytest.raises(ValueError, match="conv2d"), td.trace():
        F.conv2d(td.ones(2, 3, 6, 5), td.ones(4, 2, 3, 3))
    assert sys.getprofile() is None


def test_one_listener_at_a_time() -> None:
    with td.trace(), pytest.raises(RuntimeError, match="a profiler is running"), td.trace():
        pass
