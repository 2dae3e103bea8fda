"""The backward pass: from the newest operation to the oldest, the chain rule at each.

d loss / d input  =  (d output / d input)^T  d loss / d output.
"""

from __future__ import annotations

import heapq
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinydl.capture import current
from tinydl.device import Device
from tinydl.errors import DTypeError, GraphError, ShapeError
from tinydl.op import Node, Op, listed, state
from tinydl.tensor import Tensor


def backward(
    tensor: Tensor, gradient: Tensor | None = None, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Adds d tensor / d leaf, weighted by `gradient`, to `leaf.grad` for every leaf that requires it.

    `gradient` has the tensor's shape, dtype and device; a tensor with one element needs none (it is 1 then).
    The graph is freed on the way unless `retain_graph`. With `create_graph` the gradients are recorded
    themselves, so that they can be differentiated again.

    Raises: RuntimeError when nothing requires a gradient, for a tensor of several elements without
    `gradient`, for a graph that was freed, and for saved values that were changed in place; ValueError for a
    `gradient` of another shape, dtype or device, TypeError for one that is no tensor.
    """
    backward_all([tensor], [gradient], retain_graph, create_graph)


def backward_all(
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """`backward` from several tensors at once, each with its gradient; what they share is gone through once.

    Shapes and dtypes are those of `backward`. Raises what that raises.
    """
    roots = [(y, _seed(y, v, create_graph)) for y, v in zip(tensors, gradients, strict=True)]
    grads = _flow(roots, retain_graph or create_graph, create_graph)
    del roots
    capture = current()
    while grads:
        leaf, grad = grads.popitem()
        assert isinstance(leaf, Tensor)
        if capture is not None and leaf._grad is not None and not capture.has_made(leaf._grad):
            raise GraphError(
                "backward",
                "a captured step adds to a gradient from before it, which would not grow when the step is repeated; "
                "call zero_grad() in the step, before backward()",
            )
        alone = sys.getrefcount(grad) == _ALONE
        leaf._grad = _tensor_of(grad, leaf.device, alone, leaf._grad)
        if capture is not None:
            capture.makes(leaf._grad)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs, weighted by `grad_outputs` and summed, with respect to each input.

    Returns a tuple as long as `inputs`, which may be leaves or computed tensors, each of the shape and dtype of its
    input; no `.grad` is touched. Only what lies between outputs and inputs is computed.

    Raises: what `backward` raises, and RuntimeError when an input requires no gradient or does not take part in the
    outputs (with `allow_unused` its gradient is None).
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else listed("grad", outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else listed("grad", inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs] * len(outputs)
    if len(grad_outputs) != len(outputs):
        raise GraphError("grad", f"{len(outputs)} outputs and {len(grad_outputs)} grad_outputs")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise GraphError("grad", f"input {i} does not require gradients; set its requires_grad")
    roots = [(y, _seed(y, v, create_graph)) for y, v in zip(outputs, grad_outputs, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    grads = _flow(roots, retain, create_graph, {_node(x) for x in inputs})
    unused = [i for i, x in enumerate(inputs) if _node(x) not in grads]
    if unused and not allow_unused:
        raise GraphError(
            "grad", f"input {unused[0]} takes no part in the outputs; allow_unused=True gives None"
        )
    return tuple(
        None if i in unused else _tensor_of(grads[_node(x)], x.device, False) for i, x in enumerate(inputs)
    )


def retain_grad(tensor: Tensor) -> None:
    """Makes `backward()` keep the gradient of this computed tensor in its `grad` (leaves always do).

    It has the tensor's shape and dtype. Raises RuntimeError for a tensor that requires no gradient.
    """
    if tensor._op is not None:
        tensor._op._retained = weakref.ref(tensor)
    elif not tensor._wants_grad:
        raise GraphError("retain_grad", "this tensor does not require gradients")


@contextmanager
def no_grad() -> Iterator[None]:
    """A context, or a decorator, in which nothing is recorded: what is computed requires no gradients."""
    before, state.recording = state.recording, False
    try:
        yield
    finally:
        state.recording = before


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """A context in which the first operation that gives a NaN or Inf raises RuntimeError with its name.

    Both forward and backward passes are watched, and the message has the shapes. It costs time: for debugging.
    """
    before, state.watching = state.watching, True
    try:
        with np.errstate(all="ignore"):  # a warning would be less clear, and as an error come before ours
            yield
    finally:
        state.watching = before


def _flow(
    roots: Sequence[tuple[Tensor, Any]],
    retain_graph: bool,
    create_graph: bool,
    targets: set[Node] | None = None,
) -> dict[Node, Any]:
    """What flows from the roots to every leaf, or to the targets: plain arrays, or tensors of a new graph.

    Operations run from the newest to the oldest. An operation is newer than all that its inputs came from,
    so when its turn comes, everything that flows into it has arrived. A heap, no recursion: a graph may have
    any depth.
    """
    arrived: dict[Node, Any] = {}
    reached: dict[Node, Any] = {}
    heap: list[tuple[int, Op]] = []
    retained: list[tuple[Tensor, Any]] = []
    useful = None if targets is None else _leading_to(targets, roots)

    def arrive(node: Node | None, grad: Any) -> None:
        assert node is not None
        earlier = arrived.get(node)
        if earlier is not None:
            arrived[node] = _plus(earlier, grad, node.device)
            return
        arrived[node] = grad
        if isinstance(node, Op):
            heapq.heappush(heap, (-node._order, node))

    before = state.recording, state.on_arrays
    state.recording, state.on_arrays = create_graph, not create_graph
    try:
        for tensor, seed in roots:
            arrive(_node(tensor), seed)
        while heap:
            op = heapq.heappop(heap)[1]
            g = arrived.pop(op)
            if targets is not None and op in targets:
                reached[op] = g
            if op._parents is None:
                raise GraphError(
                    op.name,
                    "backward through a graph that was freed by an earlier backward pass; pass "
                    "retain_graph=True to that one, or compute the forward pass again",
                )
            if op._retained is not None and targets is None and (out := op._retained()) is not None:
                retained.append((out, g))
            if useful is None:
                flowing = op._gradients(g, create_graph)
            else:
                needs, op.needs = op.needs, tuple([p in useful for p in op._parents])
                try:
                    if True not in op.needs:
                        continue
                    flowing = op._gradients(g, create_graph)
                finally:
                    op.needs = needs
            for parent, grad in zip(op._parents, flowing, strict=True):
                if grad is not None:
                    arrive(parent, grad)
            if not retain_graph:
                op._parents = None
                op._kept, op._memories, op._logs = [], [], []
        for out, g in retained:  # not before all went well
            out._grad = _tensor_of(g, out.device, False, out._grad)
    finally:
        state.recording, state.on_arrays = before
    reached.update(arrived)
    return reached


def _leading_to(targets: set[Node], roots: Sequence[tuple[Tensor, Any]]) -> set[Node]:
    """The targets and all operations below the roots that were computed from one of them.

    Of a freed operation nobody knows what it was computed from: it counts, and the pass will complain.
    """
    below: set[Op] = set()
    stack = [tensor._op for tensor, _ in roots]
    while stack:
        op = stack.pop()
        if op is not None and op not in below:
            below.add(op)
            stack += [p for p in op._parents or () if isinstance(p, Op)]
    useful: set[Node] = set(targets)
    for op in sorted(below, key=lambda op: op._order):
        if op._parents is None or any(p in useful for p in op._parents):
            useful.add(op)
    return useful


def _node(tensor: Tensor) -> Node:
    return tensor if tensor._op is None else tensor._op


def _seed(tensor: Tensor, gradient: Tensor | None, create_graph: bool) -> Any:
    """The gradient that a backward pass starts with: a tensor under `create_graph`, else a plain array."""
    if not tensor.requires_grad:
        raise GraphError(
            "backward",
            "this tensor does not require gradients: no tensor that it was computed from does, or it was "
            "computed under no_grad()",
        )
    if gradient is None:
        if tensor.size != 1:
            raise GraphError(
                "backward",
                f"a tensor of shape {tensor.shape} needs a gradient of its shape; or reduce it first",
            )
        gradient = Tensor(tensor.device.xp.ones_like(tensor._data), tensor.device)
    elif not isinstance(gradient, Tensor):
        raise DTypeError("backward", f"gradient must be a Tensor, got {type(gradient).__name__}")
    elif (gradient.shape, gradient.dtype, gradient.device) != (tensor.shape, tensor.dtype, tensor.device):
        raise ShapeError(
            "backward",
            f"expected a gradient of shape {tensor.shape}, {tensor.dtype} on {tensor.device}, "
            f"got {gradient.shape}, {gradient.dtype} on {gradient.device}",
        )
    return gradient if create_graph else gradient._data


def _plus(a: Any, b: Any, device: Device) -> Any:
    total = a + b
    if isinstance(total, Tensor) or type(total) is device.array_type:
        return total
    return device.xp.asarray(total)  # NumPy's 0-d arrays add up to a scalar


def _tensor_of(grad: Any, device: Device, sole_owner: bool, earlier: Tensor | None = None) -> Tensor:
    """A gradient as a tensor that shares memory with nothing, added to the `earlier` one.

    An array that owns its memory and that nobody else refers to is taken as it is, anything else is copied.
    """
    if isinstance(grad, Tensor):
        if earlier is not None:
            return earlier + grad
        if grad._op is None and grad._wants_grad:
            return grad
        own = Tensor(grad._data.copy("K"), device)
        own._op = grad._op
        return own
    if earlier is not None:
        return Tensor(_plus(earlier._data, grad, device), device)
    return Tensor(grad if sole_owner and grad.base is None else grad.copy("K"), device)


def _references_of_a_local() -> int:
    """What `getrefcount` says of an object that one local variable holds: 2, in newer Pythons 1."""
    alone = object()
    return sys.getrefcount(alone)


_ALONE = _references_of_a_local()

Tensor.backward = backward  # type: ignore[method-assign,assignment]
Tensor.retain_grad = retain_grad  # type: ignore[method-assign,assignment]
