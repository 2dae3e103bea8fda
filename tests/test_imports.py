"""Imports point one way, the core is light, and what is public is there and documented."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinydl as td
from tinydl.ops import methods

PACKAGE = Path(td.__file__).parent

# Each may import from those before it, and from its own.
LAYERS = [
    ["shards", "capture"],
    ["errors", "random", "kernels", "allocator", "version"],
    ["device"],
    ["strict", "cuda"],
    ["memory", "operators"],
    ["tensor"],
    ["op"],
    ["autograd"],
    ["ops"],
    ["functional", "losses", "init", "creation", "metrics", "serialization", "calculus", "compiled"],
    ["nn", "optim"],
    ["data", "trace"],
    ["models", "plot"],
    ["train", "testing", "explain"],
    ["recipes"],
    ["predict", "removebg", "sweep"],
    ["cli"],
]
RANK = {name: i for i, names in enumerate(LAYERS) for name in names}

# Heavy or optional: these alone may be imported inside a function.
LATE = {"cupy", "cuda", "matplotlib", "tqdm", "PIL", "safetensors", "hypothesis", "torch", "http", "urllib"}
LATE_OURS = {"plot", "strict", "cuda"}  # draws with matplotlib; devices that few ask for

MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: str) -> str | None:
    """tinydl.ops.shape -> ops; None for other packages and for tinydl itself."""
    names = module.split(".")
    return names[1] if names[0] == "tinydl" and len(names) > 1 else None


def imports(tree: ast.Module) -> Iterator[tuple[str, bool, int]]:
    """Every imported module: its name, whether inside a function, and the line."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool, int]]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, inside, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = node.module == "tinydl" and alias.name in RANK
                yield whole if is_module else str(node.module), inside, node.lineno
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    return walk(tree, False)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module, inside, line in imports(ast.parse(path.read_text())):
        root, target = module.split(".")[0], part(module)
        if inside:
            assert root in LATE or target in LATE_OURS, f"line {line}: import {module} inside a function"
            continue
        if root == "tinydl" and own != "__init__" and own != "__main__":
            assert target is not None, f"line {line}: imports from tinydl itself"
            assert {own, target} <= set(RANK), f"{own} or {target} has no place in LAYERS"
            assert target == own or RANK[target] < RANK[own], f"line {line}: {own} imports {target}"


def test_siblings_of_one_package_do_not_import_in_circles() -> None:
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        name = "tinydl." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        edges[name.removesuffix(".__init__")] = {
            m for m, inside, _ in imports(ast.parse(path.read_text())) if not inside
        }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for other in edges.get(name, ()):
                if other in edges and not f"{name}.".startswith(
                    f"{other}."
                ):  # a package loads before its modules
                    visit(other, (*above, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_the_core_does_not_compute_with_numpy_random() -> None:
    """Randomness goes through tinydl.random, which alone may be repeated on every device."""
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in ("random.py", "testing", "plot"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "np.random":
                pytest.fail(f"{path.name}, line {node.lineno}: numpy.random")


def test_importing_tinydl_loads_nothing_heavy() -> None:
    code = "import sys, tinydl; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["matplotlib", "tqdm", "PIL", "hypothesis", "torch", "cupy", "safetensors", "pytest", "numba"]
    heavy += [f"tinydl.{part}" for part in ("data", "explain", "models", "plot", "testing", "train")]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert done.stdout.strip() == "[]"


def test_parts_are_loaded_when_they_are_asked_for() -> None:
    code = (
        "import sys, tinydl as td; td.models.LeNet5\n"
        "print('tinydl.models' in sys.modules, set(td.__all__) <= set(dir(td)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert done.stdout.strip() == "True True"
    with pytest.raises(AttributeError, match="module 'tinydl' has no attribute 'nothing'"):
        td.nothing  # noqa: B018


def test_the_methods_that_type_checkers_see_are_those_that_are_bound() -> None:
    tree = ast.parse((PACKAGE / "operators.py").read_text())
    (cls,) = (n for n in tree.body if isinstance(n, ast.ClassDef))
    (block,) = (n for n in cls.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    declared = [n.name for n in block.body if isinstance(n, ast.FunctionDef)]
    assert len(declared) == len(set(declared))
    assert set(declared) == set(methods.METHODS) | {"backward", "retain_grad"}


def test_methods_take_what_type_checkers_think_they_take() -> None:
    tree = ast.parse((PACKAGE / "operators.py").read_text())
    (cls,) = (n for n in tree.body if isinstance(n, ast.ClassDef))
    (block,) = (n for n in cls.body if isinstance(n, ast.If))
    for node in block.body:
        assert isinstance(node, ast.FunctionDef)
        if node.name.startswith("__") or node.name == "T":
            continue
        real = list(inspect.signature(getattr(td.Tensor, node.name)).parameters.values())[1:]
        names = [a.arg for a in node.args.args[1:]] + ([node.args.vararg.arg] if node.args.vararg else [])
        assert [p.name for p in real] == names, node.name
        defaults = [ast.literal_eval(d) for d in node.args.defaults]
        assert [p.default for p in real if p.default is not p.empty] == defaults, node.name


def test_every_operator_is_bound() -> None:
    for name in methods.METHODS:
        assert hasattr(td.Tensor, name)


def public(module: object) -> list[str]:
    return list(getattr(module, "__all__", []))


@pytest.mark.parametrize(
    "module",
    [td, td.functional, td.losses, td.nn, td.optim, td.models, td.data],
    ids=lambda m: m.__name__,
)
def test_every_public_name_exists_and_has_a_docstring(module: object) -> None:
    names = public(module)
    assert names
    assert names == sorted(set(names), key=names.index)  # none twice
    for name in names:
        thing = getattr(module, name)
        if callable(thing) or inspect.ismodule(thing):
            doc = thing.__dict__.get("__doc__") if isinstance(thing, type) else thing.__doc__
            assert doc, f"{name} has no docstring of its own"
            assert len(doc.strip()) > 3, name


def test_public_classes_document_their_public_methods() -> None:
    for cls in (td.Tensor, td.Op, td.Generator, td.nn.Module, td.optim.Optimizer, td.optim.Schedule):
        for name, method in vars(cls).items():
            if name.startswith("_") or not inspect.isfunction(method):
                continue
            if cls is td.Op or name in ("forward",):
                continue  # described in the class's own text
            assert method.__doc__, f"{cls.__name__}.{name}"


def test_the_promised_names_are_public() -> None:
    names = (
        "Tensor tensor no_grad grad Op manual_seed Generator save load zeros ones full arange eye rand randn "
        "zeros_like ones_like cat stack where maximum minimum matmul einsum pad split take_along_axis functional "
        "losses nn optim data models metrics init train plot vjp jvp jacobian hessian hvp detect_anomaly"
    )
    for name in names.split():
        assert name in td.__all__, name
