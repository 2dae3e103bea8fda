"""The CUDA program: the texts of the .cu files of this folder, one after the other.

python -c 'from tinydl.kernels.cuda.source import source; print(source())' > kernels.cu
nvcc -std=c++17 -arch=sm_90 -cubin kernels.cu
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_ONCE = ("common", "philox")
_FOR_EACH_DTYPE = ("im2col", "pool", "activation", "sums", "norm", "cross_entropy", "random", "optim")
_REAL = {"float32": "float", "float64": "double"}
_POINTERS = {"Word": "uint64", "double": "float64", "long long": "int64", "int": "int32", "bool": "bool"}


@cache
def source() -> str:
    """All kernels as one program, each for float32 and for float64: `im2col_float32`, `im2col_float64`.

    Lines keep the name and number of their file in what compilers say. Raises OSError when a file is missing.
    """
    parts = [_text(name) for name in _ONCE]
    for dtype, real in _REAL.items():
        kernel = f'extern "C" __global__ void name##_{dtype}'
        parts += [f"#define Real {real}\n#define KERNEL(name) {kernel}\n"]
        parts += [_text(name) for name in _FOR_EACH_DTYPE]
        parts += ["#undef Real\n#undef KERNEL\n"]
    return "\n".join(parts)


@cache
def parameters() -> dict[str, tuple[str, ...]]:
    """What each kernel takes: "int", "double", and for arrays their dtype. Raises OSError when a file is missing.

    Of `uniform_float32` it is ("uint64", "float32", "int").
    """
    found = {}
    for name, in_both, text in re.findall(r"(?:KERNEL\(|void )(\w+)(\)?)\s*\(([^)]*)\)", source()):
        types = [" ".join(part.replace("const ", "").split()[:-1]) for part in text.split(",")]
        for dtype in _REAL:
            dtypes = {**_POINTERS, "Real": dtype}
            kinds = (dtypes[t.removesuffix("*")] if t.endswith("*") else t for t in types)
            found[f"{name}_{dtype}" if in_both else name] = tuple(kinds)
    return found


def _text(name: str) -> str:
    return f'#line 1 "{name}.cu"\n' + Path(__file__).with_name(f"{name}.cu").read_text()
