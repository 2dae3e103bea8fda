"""The computation graph of a tensor: boxes for operations and leaves, arrows for the values between them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tinydl.errors import GraphError
from tinydl.nn.module import Parameter
from tinydl.op import Node, Op
from tinydl.plot import style
from tinydl.plot.layers import Edge, arrange
from tinydl.plot.style import PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 200
_HEIGHT, _STEP = 0.44, 0.82  # inches: a box, and from one level to the next
_OPERATION, _LEAF = ("#e3eef6", style.TRAINING), ("#fbe9d9", style.VALIDATION)  # face and edge


@dataclass
class _Graph:
    labels: list[tuple[str, str]] = field(default_factory=list)  # name and shape
    leaves: list[bool] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def graph(
    tensor: Tensor,
    path: PathLike | None = None,
    title: str | None = None,
    names: Mapping[str, Tensor] | None = None,
) -> Figure:
    """Draws the graph that `tensor` was computed by, inputs above, the result at the bottom.

    Boxes are operations (blue) and leaves that require gradients (orange), with their shapes; constants are
    not part of a graph. `names` gives names to leaves: `names=dict(model.named_parameters())`. An operation
    that uses a value twice has two arrows.

    Raises: RuntimeError for a tensor that has no graph, or whose graph was freed by a backward pass;
    ValueError for one of more than 200 boxes; TypeError for what is no tensor.
    """
    drawn = _collect(tensor, {id(leaf): name for name, leaf in (names or {}).items()})
    widths = [0.3 + max(0.085 * len(name), 0.07 * len(shape)) for name, shape in drawn.labels]
    layout = arrange(widths, drawn.edges, room=0.25)
    left = min(x - w / 2 for x, w in zip(layout.x, widths, strict=True))
    right = max(x + w / 2 for x, w in zip(layout.x, widths, strict=True))
    left = min([left, *(x for way in layout.ways for _, x in way)])
    right = max([right, *(x for way in layout.ways for _, x in way)])
    width, height = right - left, max(layout.level) * _STEP + _HEIGHT
    wide = max(width + 2 * style.MARGIN, 3.2)

    with style.sheet(wide, height + 0.75, path, title or "Computation graph", arranged=False) as figure:
        axes = style.place(figure, (wide - width) / 2, 0.6, width, height)
        style.bare(axes)
        axes.set_xlim(left, right)
        axes.set_ylim(-_HEIGHT / 2, height - _HEIGHT / 2)
        _arrows(axes, layout.ways)
        for i, (name, shape) in enumerate(drawn.labels):
            _box(axes, layout.x[i], layout.level[i] * _STEP, widths[i], name, shape, drawn.leaves[i])
    return figure


def _collect(tensor: Tensor, names: Mapping[int, str]) -> _Graph:
    """All operations and leaves below the tensor, inputs before what is computed from them."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"graph: expected a Tensor, got {type(tensor).__name__}")
    if tensor._op is None:
        raise GraphError("graph", "this tensor has no graph: it is a leaf, or was computed under no_grad()")
    ops: dict[int, Op] = {}
    leaves: dict[int, Tensor] = {}
    stack = [tensor._op]
    while stack:
        op = stack.pop()
        if id(op) in ops:
            continue
        ops[id(op)] = op
        if op._parents is None:
            raise GraphError(
                "graph",
                f"the graph was freed at {op.name} by a backward pass; draw it before, or pass "
                "retain_graph=True to that one",
            )
        for parent in op._parents:
            if isinstance(parent, Op):
                stack.append(parent)
            elif parent is not None:
                leaves[id(parent)] = parent
        if len(ops) + len(leaves) > _MOST:
            raise ValueError(f"graph: expected at most {_MOST} operations and leaves, got more; draw a part")

    drawn = _Graph()
    place: dict[int, int] = {}

    def add(node: Node, name: str) -> None:
        place[id(node)] = len(drawn.labels)
        drawn.labels.append((name, str(node.shape)))
        drawn.leaves.append(isinstance(node, Tensor))

    for key, leaf in leaves.items():
        add(leaf, names.get(key, "parameter" if isinstance(leaf, Parameter) else "leaf"))
    for op in sorted(ops.values(), key=lambda op: op._order):
        add(op, op.name)
        for parent in op._parents or ():
            if parent is not None:
                drawn.edges.append((place[id(parent)], place[id(op)]))
    return drawn


def _box(axes: Axes, x: float, y: float, width: float, name: str, shape: str, leaf: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, edge = _LEAF if leaf else _OPERATION
    corner = (x - width / 2 + 0.08, y - _HEIGHT / 2 + 0.08)
    axes.add_patch(FancyBboxPatch(corner, width - 0.16, _HEIGHT - 0.16, boxstyle="round,pad=0.06",
                                  facecolor=face, edgecolor=edge, linewidth=1))  # fmt: skip
    axes.text(x, y + 0.07, name, ha="center", va="center", fontsize=9, fontweight="bold")
    axes.text(x, y - 0.1, shape, ha="center", va="center", fontsize=7.5, color=style.QUIET)


def _arrows(axes: Axes, ways: list[list[tuple[int, float]]]) -> None:
    """An arrow along each way; arrows with the same ends lie side by side."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for i, way in enumerate(ways):
        same = [k for k, other in enumerate(ways) if (other[0], other[-1]) == (way[0], way[-1])]
        shift = 0.16 * (same.index(i) - (len(same) - 1) / 2)
        points = [(x + shift, level * _STEP) for level, x in way]
        points[0] = (points[0][0], points[0][1] - _HEIGHT / 2)
        points[-1] = (points[-1][0], points[-1][1] + _HEIGHT / 2)
        corners, codes = [points[0]], [Path.MOVETO]
        for (x, y), (to_x, to_y) in itertools.pairwise(points):
            middle = (y + to_y) / 2
            corners += [(x, middle), (to_x, middle), (to_x, to_y)]
            codes += [Path.CURVE4] * 3
        axes.add_patch(FancyArrowPatch(path=Path(corners, codes), arrowstyle="-|>", mutation_scale=8,
                                       color=style.QUIET, linewidth=0.9, shrinkA=0, shrinkB=0))  # fmt: skip
