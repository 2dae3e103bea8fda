"""Reads CuPy's public surface from the installed package and writes it down: `manifest.json`.

    python -m tinydl.strict.make_manifest           writes the file
    python -m tinydl.strict.make_manifest --check   compares it with the CuPy that is installed here

CuPy imports without a GPU and without a driver, and answers questions about itself: so a machine without either
can know which names, parameters and methods code may use on one. Running it after an upgrade shows what has
changed as a difference between two texts.

Each entry is "kind" or "kind(parameters)". The kinds are function, ufunc, gufunc, method, attribute, type,
constant, module and object. CuPy's compiled methods show their parameters in the first line of their
documentation; of ufuncs the numbers of inputs and outputs are known; functions that only say `*args, **kwargs`
hide their parameters.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("manifest.json")
SUBMODULES = ("linalg", "lib.stride_tricks", "fft")
Section = dict[str, str]


def manifest() -> dict[str, Section]:
    """What the installed CuPy offers, by section: "version", "cupy", its submodules, "ndarray" and others.

    Raises: ImportError when CuPy can't be imported.
    """
    cupy = importlib.import_module("cupy")
    sections: dict[str, Section] = {"version": {"cupy": cupy.__version__}, "cupy": _section(cupy)}
    for name in SUBMODULES:
        sections[f"cupy.{name}"] = _section(importlib.import_module(f"cupy.{name}"))
    sections["ndarray"] = _class(cupy.ndarray, special=True)
    sections["ufunc"] = _class(type(cupy.add))
    sections["flags"] = _class(importlib.import_module("cupy._core.flags").Flags)
    sections["random.Generator"] = _class(cupy.random.Generator)
    return sections


def as_text(sections: dict[str, Section]) -> str:
    """The manifest as JSON with one name a line, so that a difference can be read."""
    return json.dumps(sections, indent=0, sort_keys=True) + "\n"


def _section(module: Any) -> Section:
    public = (name for name in dir(module) if not name.startswith("_"))
    return {name: _entry(getattr(module, name)) for name in public if name not in ("annotations", "np")}


def _entry(value: Any) -> str:
    kind = type(value).__name__
    if kind == "ufunc":
        return f"ufunc({value.nin}, {value.nout})"
    if kind == "_GUFunc":
        return "gufunc(" + _parameters(type(value).__call__) + ")"
    if isinstance(value, type):
        return "type"
    if inspect.ismodule(value) or kind == "_LazyModule":
        return "module"
    if callable(value):
        return f"function({_parameters(value)})"
    return "constant" if isinstance(value, float | bool | None) else "object"


def _class(cls: type, special: bool = False) -> Section:
    """The public methods and attributes of a class, and with `special` those with double underscores."""
    found = {}
    for name in dir(cls):
        if name.startswith("_") and not (
            special and re.fullmatch(r"__\w+__", name) and name not in _EVERYWHERE
        ):
            continue
        value = getattr(cls, name)
        if value is None:
            found[name] = "constant"
        else:
            found[name] = f"method({_parameters(value)})" if callable(value) else "attribute"
    return found


_EVERYWHERE = (set(dir(object)) - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__repr__", "__str__",
               "__format__"}) | {"__module__", "__slots__", "__pyx_vtable__"}  # fmt: skip


def _parameters(value: Any) -> str:
    """The parameters as they stand between the brackets of a `def`, without `self` and annotations."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return _documented(value)
    said: list[str] = []
    star = False
    for p in parameters:
        if p.name in ("self", "cls"):
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            said.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        prefix = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        said.append(prefix + p.name + ("" if p.default is p.empty else f"={_plain(p.default)}"))
    return ", ".join(said)


def _documented(value: Any) -> str:
    """The parameters in the first line of a compiled function's documentation: `nd.put(self, int i, mode='x')`."""
    first = (value.__doc__ or "").strip().split("\n")[0]
    found = re.match(r"[\w.]+\((.*?)\)(?: ->.*)?$", first)
    if found is None:
        return "*args, **kwargs"
    said = []
    for part in re.split(r",\s*", found[1]):
        name, equals, default = part.partition("=")
        if name and name not in ("self", "cls"):
            said.append(name.split()[-1] + equals + default)
    return ", ".join(said)


def _plain(default: Any) -> str:
    return repr(default) if default is None or isinstance(default, bool | int | float | str) else "..."


def main(arguments: list[str]) -> int:
    """Writes the manifest, or with `--check` says in what it differs from the installed CuPy."""
    text = as_text(manifest())
    if "--check" not in arguments:
        PATH.write_text(text)
        print(f"wrote {PATH.name}: {len(text)} bytes")
        return 0
    old = PATH.read_text()
    if old == text:
        print("the manifest agrees with the installed CuPy")
        return 0
    before, after = set(old.splitlines()), set(text.splitlines())
    print(
        "\n".join(
            sorted(f"- {line}" for line in before - after) + sorted(f"+ {line}" for line in after - before)
        )
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
