"""Random graphs, built and differentiated step by step beside an engine of a few lines.

Hypothesis plays a user: it makes leaves, computes with them, takes views, writes into arrays, drops tensors,
opens no_grad sections, and asks for gradients in between. Every answer is compared with that of `Naive`, which
copies all it needs, shares nothing and frees nothing.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import tinydl as td
from tinydl.errors import GraphError

# ---- the naive engine: float64 NumPy, no graph to free, no memory to share


class Naive:
    """A value, what it was computed from, and `pull`: from its gradient those of its parents, in order."""

    def __init__(self, value: Any, parents: tuple[Naive, ...] = (), pull: Any = None, wants: bool = False):
        self.value = np.array(value, np.float64)
        self.parents, self.pull = parents, pull
        self.wants = wants or any(p.wants for p in parents)


def add(a: Naive, b: Naive) -> Naive:
    a, b = together(a, b)
    return Naive(a.value + b.value, (a, b), lambda g: (g, g))


def multiply(a: Naive, b: Naive) -> Naive:
    a, b = together(a, b)
    return Naive(a.value * b.value, (a, b), lambda g: (multiply(g, b), multiply(g, a)))


def scaled(a: Naive, factor: float) -> Naive:
    return multiply(a, Naive(factor))


def elementwise(x: Naive, f: Callable[[Any], Any], derivative: Callable[[Naive], Naive]) -> Naive:
    return Naive(f(x.value), (x,), lambda g: (multiply(g, derivative(x)),))


def sin(x: Naive) -> Naive:
    return elementwise(x, np.sin, cos)


def cos(x: Naive) -> Naive:
    return elementwise(x, np.cos, lambda x: scaled(sin(x), -1.0))


def exp(x: Naive) -> Naive:
    out = elementwise(x, np.exp, lambda x: out)
    return out


def tanh(x: Naive) -> Naive:
    """Like exp, its derivative is one of the output: second derivatives flow through that."""
    out = elementwise(x, np.tanh, lambda x: add(Naive(1.0), scaled(multiply(out, out), -1.0)))
    return out


def maximum(a: Naive, b: Naive) -> Naive:
    a, b = together(a, b)
    share = (a.value > b.value) + 0.5 * (a.value == b.value)
    return add(multiply(a, Naive(share)), multiply(b, Naive(1.0 - share)))


def linear(x: Naive, f: Callable[[Any], Any]) -> Naive:
    """f(x) for any linear f, as a matrix: its columns are what f makes of the unit vectors."""
    units = np.eye(x.value.size).reshape(-1, *x.value.shape)
    return apply(np.stack([np.ravel(f(unit)) for unit in units], axis=1), x, np.shape(f(x.value)))


def apply(matrix: Any, x: Naive, shape: tuple[int, ...]) -> Naive:
    value = (matrix @ x.value.ravel()).reshape(shape)
    return Naive(value, (x,), lambda g: (apply(matrix.T, g, x.value.shape),))


def together(a: Naive, b: Naive) -> tuple[Naive, Naive]:
    shape = np.broadcast_shapes(a.value.shape, b.value.shape)
    first, second = (
        x if x.value.shape == shape else linear(x, lambda v: np.broadcast_to(v, shape)) for x in (a, b)
    )
    return first, second


def naive_gradients(seeds: Iterable[tuple[Naive, Naive]]) -> dict[Naive, Naive]:
    """What flows from the seeded values to all that they were computed from, once all its uses have answered."""
    seeds = list(seeds)
    uses: Counter[Naive] = Counter()
    seen, stack = set[Naive](), [x for x, _ in seeds]
    while stack:
        if (x := stack.pop()) not in seen:
            seen.add(x)
            wanting = [p for p in x.parents if p.wants]
            uses.update(wanting)
            stack.extend(wanting)
    arrived: dict[Naive, Naive] = {}
    for x, seed in seeds:
        arrived[x] = add(arrived[x], seed) if x in arrived else seed
    ready = [x for x in seen if uses[x] == 0]
    while ready:
        x = ready.pop()
        for parent, part in zip(x.parents, x.pull(arrived[x]) if x.parents else (), strict=True):
            if parent.wants:
                arrived[parent] = add(arrived[parent], part) if parent in arrived else part
                uses[parent] -= 1
                if uses[parent] == 0:
                    ready.append(parent)
    return arrived


# ---- what is known of the real one


@dataclass(eq=False)
class Memory:
    """Shared by a tensor and its views."""

    changes: int = 0


@dataclass(eq=False)
class Record:
    """One operation of the graph, or for `gradient` all that computed one under create_graph."""

    parents: list[Record]
    memories: dict[Memory, int]  # and how many changes each had seen
    out: Naive
    gradient: bool = False
    freed: bool | None = False  # None: perhaps, a pass that freed it failed later

    def spoilt(self) -> bool:
        return any(memory.changes > before for memory, before in self.memories.items())


@dataclass(eq=False)
class Pair:
    """A tensor, and what it ought to be."""

    tensor: td.Tensor
    naive: Naive
    record: Record | None = None
    memory: Memory = field(default_factory=Memory)
    keeps_grad: bool = False
    grad: Any = None
    grad_memory: Memory = field(default_factory=Memory)
    scale: float = 1.0  # of what was added up to `grad`


def values(tensor: td.Tensor) -> Any:
    """A copy; through an operation, since the engine watches arrays that are fetched."""
    with td.no_grad():
        return (tensor * 1.0).data


def reachable(roots: list[Pair]) -> set[Record]:
    found: set[Record] = set()
    stack = [pair.record for pair in roots if pair.record is not None]
    while stack:
        record = stack.pop()
        if record not in found:
            found.add(record)
            stack += record.parents
    return found


def leads_to(targets: set[Naive], x: Naive, known: dict[Naive, bool]) -> bool:
    """Whether x was computed from one of the targets."""
    if x not in known:
        known[x] = any(p in targets or leads_to(targets, p, known) for p in x.parents)
    return known[x]


UNARY: dict[str, tuple[Any, Callable[[Naive], Naive]]] = {
    "sin": (td.sin, sin),
    "tanh": (td.tanh, tanh),
    "exp": (td.exp, exp),
    "negative": (lambda x: -x, lambda x: scaled(x, -1.0)),
    "times a number": (lambda x: 0.5 * x, lambda x: scaled(x, 0.5)),
    "minus a number": (lambda x: x - 1.5, lambda x: add(x, Naive(-1.5))),
    "from a number": (lambda x: 1.5 - x, lambda x: add(Naive(1.5), scaled(x, -1.0))),
    "square": (lambda x: x * x, lambda x: multiply(x, x)),
    "sum": (lambda x: x.sum(), lambda x: linear(x, np.sum)),
    "sum of rows": (
        lambda x: x.sum(-1, keepdims=True) if x.ndim else x.sum(),
        lambda x: linear(x, lambda v: v.sum(-1, keepdims=True) if v.ndim else v),
    ),
    "repeated elements": (
        lambda x: x[[0, -1, 0]] if x.ndim else x * 1.0,
        lambda x: linear(x, lambda v: v[[0, -1, 0]] if v.ndim else v),
    ),
}
BINARY: dict[str, tuple[Any, Callable[[Naive, Naive], Naive]]] = {
    "add": (lambda a, b: a + b, add),
    "subtract": (lambda a, b: a - b, lambda a, b: add(a, scaled(b, -1.0))),
    "multiply": (lambda a, b: a * b, multiply),
    "maximum": (td.maximum, maximum),
}
VIEWS: dict[str, Callable[[Any], Any]] = {  # the same words for tensors and for arrays
    "flat": lambda x: x.reshape(-1),
    "turned": lambda x: x.T,
    "column": lambda x: x.reshape(-1, 1),
    "new axis": lambda x: x[None],
    "first": lambda x: x[:1] if x.ndim else x[...],
    "rest": lambda x: x[..., 1:] if x.ndim and x.shape[-1] > 1 else x[...],
    "backwards": lambda x: x[..., ::-1] if x.ndim else x[...],
    "every other": lambda x: x[::2] if x.ndim else x[...],
    "spread": lambda x: (
        td.broadcast_to(x, (2, *x.shape)) if isinstance(x, td.Tensor) else np.broadcast_to(x, (2, *x.shape))
    ),
}
WRITES: dict[str, Callable[[td.Tensor, Any], Any]] = {
    "an element": lambda x, new: x.data.__setitem__((0,) * x.ndim, new.flat[0]),
    "all of data": lambda x, new: x.data.__setitem__(..., new),
    "data augmented": lambda x, new: x.data.__iadd__(new),
    "through numpy": lambda x, new: np.copyto(x.numpy(), new),
    "through a detached one": lambda x, new: x.detach().data.__setitem__(..., new),
    "through a view": lambda x, new: x.reshape(x.shape).data.__setitem__(..., new),
    "the same again": lambda x, new: x.data.__imul__(1.0),
    "assigned": lambda x, new: setattr(x, "data", new),
}
LIMIT = 30  # tensors at a time
OPERATIONS = [*UNARY, *BINARY, *VIEWS]
HABITS = [  # of users: what they do besides computing
    "detach", "drop", "forget_grad", "no_grad", "optimiser_step", "overwrite_grad", "retain_grad", "start_over"
]  # fmt: skip
SHAPES = [(), (1,), (3,), (2, 1), (2, 3), (1, 3)]

Step = tuple[str, int, int]  # an operation, and places of operands
which = st.integers(0, 31)  # the newest tensor is 0
numbers = st.integers(0, 9999)
mostly = st.sampled_from([True, True, True, False])
steps = st.lists(st.tuples(st.sampled_from(OPERATIONS), which, which), max_size=5)


class Graphs(RuleBasedStateMachine):
    """A user, a graph, and the naive engine that looks over his shoulder."""

    @initialize(dtype=st.sampled_from([np.float64, np.float32]))
    def start(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.tolerance = 1e-9 if dtype is np.float64 else 3e-4
        self.pool: list[Pair] = []
        self.keepers: list[Pair] = []  # leaves, and tensors told to retain their gradient
        self.section: AbstractContextManager[None] | None = None
        self.leaf((3,), 0, True)

    def teardown(self) -> None:
        self.leave_section()

    def leave_section(self) -> None:
        if getattr(self, "section", None) is not None:
            self.section.__exit__(None, None, None)
            self.section = None

    # ---- what a user computes

    @rule(shape=st.sampled_from(SHAPES), seed=numbers, wants=st.sampled_from([True, True, False]))
    def leaf(self, shape: tuple[int, ...], seed: int, wants: bool) -> None:
        x = td.tensor(self.random(shape, seed), requires_grad=wants)
        self.pool.append(Pair(x, Naive(x.numpy(), wants=wants), keeps_grad=wants))
        if wants:
            self.keepers.append(self.pool[-1])

    @rule(steps=steps)
    def compute(self, steps: list[Step]) -> None:
        if len(self.pool) > LIMIT:
            return
        for name, i, j in steps:
            a = self.pick(i)
            if name in BINARY:
                fitting = [p for p in self.pool if self.fits(a, p)]
                self.operation(*BINARY[name], [a, fitting[-1 - j % len(fitting)]])
            elif name in UNARY:
                self.operation(*UNARY[name], [a])
            else:
                f = VIEWS[name]
                self.operation(f, lambda x, f=f: linear(x, f), [a], view=True)

    @rule(chosen=st.lists(which, min_size=2, max_size=6))
    def total(self, chosen: list[int]) -> None:
        """What was apart comes together: diamonds, and branches of different depth."""
        for pair in [self.pick(i) for i in chosen]:
            before = self.pick(0)
            self.operation(*UNARY["sum"], [pair])
            if self.fits(before, self.pick(0)):
                self.operation(*BINARY["add"], [before, self.pick(0)])

    @rule(what=st.sampled_from(HABITS), i=which)
    def habit(self, what: str, i: int) -> None:
        getattr(self, what)(i)

    def detach(self, i: int) -> None:
        pair = self.pick(i)
        x = pair.tensor.detach()
        assert not x.requires_grad
        self.pool.append(Pair(x, Naive(values(x)), memory=pair.memory))

    def no_grad(self, i: int) -> None:
        """Opens a section, or ends it."""
        if self.section is not None:
            self.leave_section()
        else:
            self.section = td.no_grad()
            self.section.__enter__()

    def drop(self, i: int) -> None:
        """Forgets a tensor; a computed one dies, whatever graph it is part of."""
        if len(self.pool) == 1:
            return
        pair = self.pick(i)
        self.pool.remove(pair)
        if pair.record is not None:
            if pair in self.keepers:
                self.keepers.remove(pair)
            watched = weakref.ref(pair.tensor)
            gradient = pair.record.gradient  # may be the `grad` of a leaf as well
            del pair
            assert gradient or watched() is None

    def start_over(self, i: int) -> None:
        """Forgets all that was computed."""
        self.pool = [p for p in self.keepers if p.record is None]
        self.keepers = list(self.pool)

    # ---- what a user changes in place

    @rule(steps=steps, i=which, how=st.sampled_from(sorted(WRITES)), seed=numbers)
    def write(self, steps: list[Step], i: int, how: str, seed: int) -> None:
        """Writes into what a graph may have saved, and asks for gradients then."""
        self.compute(steps)
        pair = self.pick(i)
        if not pair.tensor.data.flags.writeable:
            return  # a broadcast one
        before, new = values(pair.tensor), self.random(pair.tensor.shape, seed)
        WRITES[how](pair.tensor, new)
        pair.memory.changes += 1
        want = {
            "data augmented": before + new,
            "the same again": before,
            "an element": np.where(np.arange(new.size).reshape(new.shape) == 0, new, before),
        }.get(how, new)
        np.testing.assert_array_equal(values(pair.tensor), want)
        for keeper in self.keepers:
            if keeper.grad_memory is pair.memory and keeper.tensor.grad is not None:
                keeper.grad = values(keeper.tensor.grad)  # it was this gradient that was written to
        self.backward(steps=[], i=1, seed=seed, retain=True, create=False)

    def optimiser_step(self, i: int) -> None:
        leaves = [p for p in self.keepers if p.record is None]
        pair = leaves[-1 - i % len(leaves)]
        before = values(pair.tensor)
        td.optim.SGD([pair.tensor], lr=0.125).step()
        if pair.grad is not None:
            pair.memory.changes += 1
            want = before - 0.125 * pair.grad
            np.testing.assert_allclose(
                values(pair.tensor), want, rtol=self.tolerance, atol=self.tolerance * pair.scale
            )

    def overwrite_grad(self, i: int) -> None:
        """Were it shared with anything, that would change, too, and be noticed by the next pass."""
        pair = self.keepers[-1 - i % len(self.keepers)]
        if pair.grad is not None:
            grad = pair.tensor.grad
            assert grad is not None
            before = self.everything()
            grad.data[...] = 0.5
            pair.grad = np.full(pair.tensor.shape, 0.5)
            pair.grad_memory.changes += 1
            self.assert_unchanged({p: v for p, v in before.items() if p.memory is not pair.grad_memory})

    def forget_grad(self, i: int) -> None:
        pair = self.keepers[-1 - i % len(self.keepers)]
        pair.tensor.grad = pair.grad = None
        pair.scale = 1.0

    def retain_grad(self, i: int) -> None:
        pair = self.pick(i)
        # Gradients of two tensors may be one and the same node of the graph.
        if pair.record is not None and not pair.record.gradient and not pair.keeps_grad:
            pair.tensor.retain_grad()
            pair.keeps_grad = True
            self.keepers.append(pair)

    # ---- what a user wants to know

    @rule(steps=steps, i=which, seed=numbers, retain=mostly, create=st.booleans())
    def backward(self, steps: list[Step], i: int, seed: int, retain: bool, create: bool) -> None:
        self.compute(steps)
        root = self.pick_root(i)
        cotangent = self.cotangent(root, seed)
        grads, scale = self.expected([root], [cotangent])
        create = create and len(grads) < 100
        if scale > 1e6:
            return
        reach = reachable([root])
        kept = {p: (p.tensor.grad, None if p.grad is None else values(p.tensor.grad)) for p in self.keepers}

        def run() -> None:
            if root.tensor.size == 1 and seed % 2:
                root.tensor.backward(retain_graph=retain, create_graph=create)
            else:
                root.tensor.backward(cotangent, retain_graph=retain, create_graph=create)

        if not self.passed(run, reach, reach, retain or create):
            for pair in self.keepers:
                assert pair.tensor.grad is kept[pair][0]
            return
        for pair in self.keepers:
            if pair.naive in grads:
                pair.grad = grads[pair.naive].value + (0.0 if pair.grad is None else pair.grad)
                pair.grad_memory, pair.scale = Memory(), pair.scale + scale
            assert_grad(pair, self.tolerance)
            earlier, was = kept[pair]
            if earlier is not None:
                np.testing.assert_array_equal(values(earlier), was)
        fresh = [p for p in self.keepers if p.naive in grads and kept[p][0] is None]
        if create and fresh:
            leaf = fresh[-1 - seed % len(fresh)]
            assert leaf.tensor.grad is not None
            self.add_gradient(leaf.tensor.grad, grads[leaf.naive], [root])
            self.pool[-1].memory = leaf.grad_memory

    @rule(
        steps=steps,
        roots=st.lists(which, min_size=1, max_size=2),
        sources=st.lists(which, min_size=1, max_size=3),
        seed=numbers,
        retain=mostly | st.none(),
        create=st.booleans(),
    )
    def grad(
        self,
        steps: list[Step],
        roots: list[int],
        sources: list[int],
        seed: int,
        retain: bool | None,
        create: bool,
    ) -> None:
        self.compute(steps)
        outputs = [self.pick_root(i) for i in roots]
        choice = [p for p in self.pool if p.naive.wants and not (p.record and p.record.gradient)]
        choice = choice or [p for p in self.keepers if p.record is None]
        inputs = [choice[-1 - i % len(choice)] for i in sources]
        cotangents = [self.cotangent(p, seed + i) for i, p in enumerate(outputs)]
        grads, scale = self.expected(outputs, cotangents)
        create = create and len(grads) < 100
        if scale > 1e6:
            return
        reach = reachable(outputs)
        known: dict[Naive, bool] = {}
        run = {r for r in reach if leads_to({p.naive for p in inputs}, r.out, known)}
        found: list[td.Tensor | None] = []
        if not self.passed(
            lambda: found.extend(
                td.grad(
                    [p.tensor for p in outputs],
                    [p.tensor for p in inputs],
                    cotangents,
                    create_graph=create,
                    retain_graph=retain,
                    allow_unused=True,
                )
            ),
            reach,
            run,
            create if retain is None else retain,
        ):
            return
        for pair in self.keepers:
            assert_grad(pair, self.tolerance)
        for pair, g in zip(inputs, found, strict=True):
            if g is None:
                assert pair.naive not in grads or any(r.gradient for r in reach)
            else:
                want = grads[pair.naive].value if pair.naive in grads else np.zeros(g.shape)
                assert (g.shape, g.dtype) == (pair.tensor.shape, self.dtype)
                np.testing.assert_allclose(values(g), want, rtol=0, atol=self.tolerance * (1 + scale))
        if create and found[0] is not None and inputs[0].naive in grads:
            self.add_gradient(found[0], grads[inputs[0].naive], outputs)

    # ---- how it is done

    def random(self, shape: tuple[int, ...], seed: int) -> Any:
        return np.asarray(np.random.default_rng(seed).normal(size=shape).round(2), self.dtype)

    def pick(self, i: int) -> Pair:
        return self.pool[-1 - i % len(self.pool)]

    def pick_root(self, i: int) -> Pair:
        """A tensor that has something to differentiate; rather one that was computed, and whose graph lives."""
        roots = [p for p in self.pool if p.tensor.requires_grad]
        roots = [p for p in roots if p.record] or roots or [p for p in self.keepers if p.record is None]
        if i % 4:
            roots = [p for p in roots if not any(r.freed for r in reachable([p]))] or roots
        return roots[-1 - i // 4 % len(roots)]

    def cotangent(self, root: Pair, seed: int) -> td.Tensor:
        if root.tensor.size == 1 and seed % 2:
            return td.tensor(np.ones(root.tensor.shape, self.dtype))
        return td.tensor(self.random(root.tensor.shape, seed))

    def expected(self, roots: list[Pair], cotangents: list[td.Tensor]) -> tuple[dict[Naive, Naive], float]:
        """The naive gradients, and the largest number on the way."""
        seeds = [(p.naive, Naive(c.numpy())) for p, c in zip(roots, cotangents, strict=True)]
        grads = naive_gradients(seeds)
        return grads, max(np.abs(g.value).max() for g in grads.values())

    def fits(self, a: Pair, b: Pair) -> bool:
        try:
            return int(np.prod(np.broadcast_shapes(a.tensor.shape, b.tensor.shape))) <= 12
        except ValueError:
            return False

    def operation(
        self, ours: Any, naive: Callable[..., Naive], operands: list[Pair], view: bool = False
    ) -> None:
        """Both engines compute, the naive one from what the tensors hold now; a node of its own for each use."""
        expected = naive(*[Naive(values(p.tensor), (p.naive,), lambda g: (g,)) for p in operands])
        if np.abs(expected.value).max() > 20 or expected.value.size > 12:
            return
        out = ours(*[p.tensor for p in operands])
        wants = self.section is None and any(p.naive.wants for p in operands)
        assert (out.shape, out.dtype, out.requires_grad) == (expected.value.shape, self.dtype, wants)
        np.testing.assert_allclose(values(out), expected.value, rtol=self.tolerance, atol=self.tolerance)
        memory = operands[0].memory if view else Memory()
        record = None
        if wants:
            memories = {m: m.changes for m in (memory, *(p.memory for p in operands))}
            record = Record([p.record for p in operands if p.record], memories, expected)
        self.pool.append(Pair(out, expected if wants else Naive(values(out)), record, memory))

    def add_gradient(self, g: td.Tensor, naive: Naive, roots: list[Pair]) -> None:
        """A gradient that was recorded can be computed with like any other tensor."""
        assert g.requires_grad == naive.wants
        record = None
        if naive.wants:
            reach = reachable(roots)
            memories = {m: n for r in reach for m, n in r.memories.items()}
            record = Record(list(reach), memories, naive, gradient=True)
        self.pool.append(Pair(g, naive, record))

    def passed(self, run: Callable[[], None], reach: set[Record], runs: set[Record], retain: bool) -> bool:
        """Whether the pass went through. It may fail only for a reason, and must not change a thing then."""
        exact = not any(r.gradient for r in reach)  # else the pass may need less than is known
        freed = any(r.freed is not False for r in reach)
        must_fail = exact and any(r.freed for r in runs)
        spoilt = any(r.spoilt() for r in reach)
        before = self.everything()
        refused = None
        try:
            run()
        except GraphError as error:
            refused = str(error)
        self.assert_unchanged(before)
        if refused is None:
            assert not must_fail, "a graph that was freed is alive"
        else:
            sentences = ["freed by an earlier backward pass; pass retain_graph=True"] * freed
            sentences += ["changed in place after it was saved"] * spoilt
            assert any(s in refused for s in sentences), f"there is no reason for: {refused}"
        if not retain:
            for record in reach if refused else runs:
                record.freed = record.freed or (True if exact and not refused else None)
        return refused is None

    def everything(self) -> dict[Pair, Any]:
        with td.no_grad():
            return {pair: (pair.tensor * 1.0).data for pair in self.pool}

    def assert_unchanged(self, before: dict[Pair, Any]) -> None:
        now = self.everything()
        changed = [pair for pair, was in before.items() if not np.array_equal(now[pair], was)]
        assert not changed


def assert_grad(pair: Pair, tolerance: float) -> None:
    grad = pair.tensor.grad
    if pair.grad is None:
        assert grad is None
    else:
        assert grad is not None
        assert (grad.shape, grad.dtype) == (pair.tensor.shape, pair.tensor.dtype)
        np.testing.assert_allclose(values(grad), pair.grad, rtol=0, atol=tolerance * pair.scale)


# The profile was chosen after Hypothesis made the settings of its test cases.
Graphs.TestCase.settings = settings(settings.default, max_examples=3 * settings.default.max_examples)
TestGraphs = Graphs.TestCase
