"""A look at the source: code that computes on devices uses `xp`, by names and parameters that CuPy has.

The strict device finds the same at run time, in lines that a test runs. This finds it in all lines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinydl
from tinydl.strict import manifest

ROOT = Path(tinydl.__file__).parent
# What computes on the host, and why. All other files are looked at.
HOST = {
    "allocator.py": "the memory of the process",
    "capture.py": "the numbers that a captured step gets from the host",
    "cli.py": "the command line",
    "cuda/": "the device itself",
    "data/": "files, pictures and augmentation: the host prepares a batch, and DataLoader uploads it",
    "device.py": "the devices themselves",
    "init.py": "the first weights are drawn on the host, and uploaded when the module is moved",
    "kernels/cpu": "the CPU's kernels",
    "kernels/cuda/": "a GPU's kernels",
    "kernels/numba": "the CPU's kernels",
    "kernels/shared_norm.py": "the CPU's kernels",
    "kernels/threads.py": "the CPU's threads",
    "metrics.py": "numbers for people, in float64, from what Tensor.to('cpu') brought",
    "plot/": "matplotlib draws what Tensor.to('cpu') brought",
    "predict.py": "a person's picture, before it is uploaded",
    "random.py": "NumPy's Philox; devices draw the same numbers by Device.uniform and normal",
    "recipes/": "judging what a network gave, beside its baselines",
    "removebg.py": "a person's picture, before it is uploaded and after",
    "serialization.py": "files",
    "strict/": "the test device itself",
    "sweep/": "many runs, and their table",
    "testing/": "compares what was computed elsewhere",
    "train/shards.py": "processes on the CPU",
}
FILES = sorted(
    path
    for path in (p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py"))
    if not path.startswith(tuple(HOST))
)

# What may be taken from NumPy anywhere: dtypes and types.
TYPES = {
    "dtype",
    "generic",
    "integer",
    "floating",
    "ndarray",
    "float32",
    "float64",
    "int64",
    "bool_",
    "complex128",
}
# And where else, and why that is on the host.
NUMPY: dict[tuple[str, str], str] = {
    ("optim/optimizer.py", "array"): "state dicts hold NumPy arrays",
    ("optim/optimizer.py", "asarray"): "loading a state dict: uploaded through Device.asarray",
    ("optim/optimizer.py", "shape"): "the shapes in a state dict",
    ("optim/on_device.py", "array"): "learning rates and step numbers, uploaded through Device.asarray",
    ("nn/module.py", "array"): "state dicts hold NumPy arrays",
    ("nn/module.py", "asarray"): "loading a state dict: uploaded through Device.asarray",
    ("nn/module.py", "zeros"): "the input that summary() makes, uploaded through Tensor.to",
    ("ops/resize.py", "*"): "the matrices of an interpolation are made on the host, and uploaded once",
    ("explain/deletion.py", "*"): "paints over pixels on the host, and uploads through tensor()",
    ("explain/occlusion.py", "*"): "adds up on the host what each window costs",
    ("explain/score.py", "asarray"): "classes that somebody asks about, uploaded through tensor()",
    ("memory.py", "array_equal"): "compares what was handed out as .data, which it does on the CPU only",
    ("models/fcn.py", "*"): "first weights, uploaded when the module is moved",
    ("tensor.py", "*"): "values in and out",
    ("nn/norm.py", "full"): "initial parameters, uploaded when the module is moved",
    ("op.py", "broadcast_shapes"): "shapes only",
    ("autograd.py", "errstate"): "detect_anomaly silences NumPy's own warnings",
    ("creation.py", "asarray"): "the dtype of a Python number",
}
# Functions that wait for the device on purpose, and why.
WAITING: dict[tuple[str, str], str] = {
    ("ops/arithmetic.py", "_python"): "a NumPy scalar, not device data",
    ("ops/shape.py", "_held"): "a NumPy scalar, not device data",
    ("creation.py", "arange"): "bounds and step are numbers on the host",
    ("ops/index.py", "_index"): "on the CPU only",
    ("ops/index.py", "_check_range"): "a check of values",
    ("ops/index.py", "one_hot"): "a check of values, or the number of classes",
    ("ops/resize.py", "max_unpool2d"): "a check of values",
    ("nn/norm.py", "forward"): "momentum=None: the average over all batches needs their number",
    ("nn/embedding.py", "forward"): "a check of values",
    ("losses.py", "msle"): "a check of values",
    ("losses.py", "_check_values"): "a check of values",
    ("losses.py", "_labels"): "a check of values",
    ("losses.py", "cross_entropy"): "the number of labels that count, where values are checked",
    ("explain/adversarial.py", "fgsm"): "the range of the pixels, once",
    ("explain/score.py", "chosen_classes"): "classes that somebody asks about, on the host",
    ("models/perceptron.py", "learn"): "Rosenblatt's rule looks at one row after the other",
    ("tensor.py", "item"): "a person asks for it",
    ("tensor.py", "__bool__"): "a person asks for it",
    ("tensor.py", "__float__"): "a person asks for it",
    ("tensor.py", "__int__"): "a person asks for it",
    ("tensor.py", "__index__"): "a person asks for it",
    ("train/adversarial.py", "step"): "the losses of a step are read: people watch them",
    ("train/cycle.py", "step"): "the losses of a step are read: people watch them",
    ("train/gradient_flow.py", "_norm"): "gradients are watched, in a run that is made for that",
    ("train/trainer.py", "_measured"): "the loss of a step is read: people watch it",
    ("op.py", "_operand"): "a NumPy scalar, not device data",
    ("op.py", "_finite"): "detect_anomaly looks at every value",
}
NAMED_DTYPE = {"zeros", "ones", "empty", "full", "eye", "identity"}


def problems(name: str, source: str) -> Iterator[str]:
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        place = f"{name}:{getattr(node, 'lineno', 0)}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("np", "numpy")
        ):
            allowed = node.attr in TYPES or (name, node.attr) in NUMPY or (name, "*") in NUMPY
            if not allowed:
                yield f"{place}: np.{node.attr} where device.xp is due"
        if isinstance(node, ast.Attribute) and _is_xp(node.value):
            yield from _xp(place, node, parents.get(node))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if (
                    isinstance(target, ast.Name)
                    and target.id == "ufunc"
                    and node.value.value not in manifest.sections()["cupy"]
                ):
                    yield f"{place}: CuPy has no ufunc {node.value.value!r}"
        function = _function(node, parents)  # constructors take options, Python numbers
        if (
            isinstance(node, ast.Call)
            and _waits(node)
            and (name, function) not in WAITING
            and function != "__init__"
        ):
            yield f"{place}: {ast.unparse(node)[:60]} waits for the device"


def _xp(place: str, node: ast.Attribute, parent: ast.AST | None) -> Iterator[str]:
    try:
        kind, parameters = manifest.entry("cupy", node.attr)
    except AttributeError as error:
        yield f"{place}: {error}"
        return
    if not (isinstance(parent, ast.Call) and parent.func is node):
        return
    keywords = [k.arg for k in parent.keywords if k.arg is not None]
    known = (
        ["out", "dtype", "casting"] if kind == "ufunc" else list(manifest.signature(parameters).parameters)
    )
    if "kwargs" not in known:
        yield from (f"{place}: CuPy's {node.attr} has no parameter {k!r}" for k in keywords if k not in known)
    if node.attr in NAMED_DTYPE and "dtype" not in keywords:
        yield f"{place}: xp.{node.attr} without a dtype makes float64"


def _is_xp(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "xp") or (
        isinstance(node, ast.Attribute) and node.attr == "xp"
    )


def _waits(node: ast.Call) -> bool:
    """item(), tolist(), get() and nonzero() of anything; float, int or bool of an array."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in ("item", "tolist", "nonzero") and not node.args
    if isinstance(node.func, ast.Name) and node.func.id in ("float", "int", "bool") and node.args:
        inside = ast.unparse(node.args[0])
        constant = isinstance(node.args[0], ast.Constant)
        if node.func.id == "float":
            return not constant
        return "_data" in inside or any(
            f".{method}(" in inside for method in ("max", "min", "sum", "all", "any")
        )
    return False


def _function(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef):
            return node.name
    return ""


@pytest.mark.parametrize("name", FILES)
def test_code_for_devices_uses_xp_as_cupy_has_it(name: str) -> None:
    found = list(problems(name, (ROOT / name).read_text()))
    assert not found, "\n".join(found)


PLANTED = {
    "return np.exp(x)": "np.exp where",
    "y = numpy.sum(x)": "np.sum where",
    "xp.einsum_path(x)": "no cupy.einsum_path",
    "self.device.xp.vecdot(x, x)": "no cupy.vecdot",
    "xp.sum(x, where=m)": "no parameter 'where'",
    "xp.add(x, y, where=m)": "no parameter 'where'",
    "a.device.xp.clip(x, min=0)": "no parameter 'min'",
    "xp.zeros(3)": "makes float64",
    "ufunc = 'vecdot'": "no ufunc",
    "loss.item()": "waits",
    "float(norm)": "waits",
    "int(x._data.max())": "waits",
    "bool(ok.all())": "waits",
    "x.nonzero()": "waits",
}


@pytest.mark.parametrize("line", PLANTED)
def test_planted_slips_are_found(line: str) -> None:
    found = list(problems("ops/planted.py", line.removeprefix("return ")))
    assert len(found) == 1, found
    assert PLANTED[line] in found[0]


@pytest.mark.parametrize(
    "line",
    ["np.float32", "xp.exp(x)", "xp.zeros(3, dtype=x.dtype)", "float('inf')", "int(n)", "x.sum(axis=0)"],
)
def test_what_is_right_passes(line: str) -> None:
    assert not list(problems("ops/planted.py", line))


def test_the_lists_of_exceptions_are_no_longer_than_needed() -> None:
    everything = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py")]
    for prefix in HOST:
        assert any(name.startswith(prefix) for name in everything), prefix
    for name, attribute in NUMPY:
        source = (ROOT / name).read_text()
        assert (f"np.{attribute}(" in source) if attribute != "*" else "np." in source, (name, attribute)
    for name, function in WAITING:
        assert f"def {function}(" in (ROOT / name).read_text(), (name, function)
