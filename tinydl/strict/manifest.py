"""The manifest of CuPy's public surface as Python objects; `make_manifest.py` says where it comes from."""

from __future__ import annotations

import ast
import functools
import inspect
import json
from typing import Any

from tinydl.strict.make_manifest import PATH


@functools.cache
def sections() -> dict[str, dict[str, str]]:
    """Entries "kind" or "kind(parameters)", by section and name."""
    loaded: dict[str, dict[str, str]] = json.loads(PATH.read_text())
    return loaded


def version() -> str:
    """The version of CuPy that the manifest was read from."""
    return sections()["version"]["cupy"]


def entry(section: str, name: str) -> tuple[str, str]:
    """Kind and parameters of a name; raises AttributeError for one that CuPy has not."""
    try:
        kind, _, parameters = sections()[section][name].partition("(")
    except KeyError:
        raise AttributeError(f"CuPy {version()} has no {section}.{name}: it is on the CPU only") from None
    return kind, parameters.removesuffix(")")


def signature(parameters: str) -> inspect.Signature:
    """The parameters as a signature to bind arguments to; only which defaults exist counts, not their values."""
    definition = ast.parse(f"def f({parameters}): ...").body[0]
    assert isinstance(definition, ast.FunctionDef)
    a = definition.args
    places = [*a.posonlyargs, *a.args]
    optional = len(places) - len(a.defaults)
    found = []
    for i, argument in enumerate(places):
        kind = (
            inspect.Parameter.POSITIONAL_ONLY
            if i < len(a.posonlyargs)
            else inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        found.append(_parameter(argument.arg, kind, i >= optional))
    if a.vararg is not None:
        found.append(_parameter(a.vararg.arg, inspect.Parameter.VAR_POSITIONAL))
    for argument, default in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        found.append(_parameter(argument.arg, inspect.Parameter.KEYWORD_ONLY, default is not None))
    if a.kwarg is not None:
        found.append(_parameter(a.kwarg.arg, inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(found)


def _parameter(name: str, kind: Any, optional: bool = False) -> inspect.Parameter:
    return inspect.Parameter(name, kind, default=None if optional else inspect.Parameter.empty)
