"""The manifest: what it says, and that it is what the CuPy installed here says."""

from __future__ import annotations

import json

import pytest

from tinydl.strict import make_manifest, manifest


def test_the_installed_cupy_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        import cupy
    except ImportError as error:
        pytest.skip(f"CuPy is not installed, so its manifest can't be made anew: {error}")
    if cupy.__version__ != manifest.version():
        pytest.skip(f"the manifest is of CuPy {manifest.version()}, installed is {cupy.__version__}")
    assert make_manifest.main(["--check"]) == 0, capsys.readouterr().out


def test_it_is_small_and_sorted() -> None:
    text = make_manifest.PATH.read_text()
    assert len(text) < 60_000
    assert text == make_manifest.as_text(json.loads(text))


def test_it_knows_what_cupy_lacks() -> None:
    with pytest.raises(AttributeError, match=r"no cupy\.einsum_path"):
        manifest.entry("cupy", "einsum_path")
    assert manifest.entry("cupy", "add") == ("ufunc", "2, 1")
    assert manifest.entry("cupy", "sum") == ("function", "a, axis=None, dtype=None, out=None, keepdims=False")
    assert manifest.entry("ndarray", "sum") == ("method", "axis=None, dtype=None, out=None, keepdims=False")
    assert manifest.entry("ndarray", "shape") == ("attribute", "")
    assert "writeable" not in manifest.sections()["flags"]
    assert "normal" not in manifest.sections()["random.Generator"]


def test_every_signature_can_be_read() -> None:
    for section in manifest.sections().values():
        for said in section.values():
            kind, _, parameters = said.partition("(")
            if kind in ("function", "gufunc", "method"):
                manifest.signature(parameters.removesuffix(")"))


def test_signatures_bind_as_cupys_do() -> None:
    signature = manifest.signature("a, /, b, c=None, *args, d, e=1, **more")
    assert str(signature) == "(a, /, b, c=None, *args, d, e=None, **more)"
    with pytest.raises(TypeError):
        signature.bind(1, 2)


class Example:
    """What `make_manifest` reads, without CuPy."""

    def method(self, axis: int | None = None, *, out: object = object()) -> None: ...

    hidden = dict.fromkeys  # a compiled one whose documentation says nothing of use
    number = 3


def test_parameters_are_read_from_signatures_and_documentation() -> None:
    said = make_manifest._class(Example)
    assert said["method"] == "method(axis=None, *, out=...)"
    assert said["number"] == "attribute"

    class Compiled:
        __doc__ = "_ndarray_base.swapaxes(self, Py_ssize_t axis1, order='C') -> _ndarray_base"

    assert make_manifest._documented(Compiled()) == "axis1, order='C'"
