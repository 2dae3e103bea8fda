"""Whether there is a GPU that computes, and if not, why: in one sentence that a person can act on."""

from __future__ import annotations

from types import ModuleType

PACKAGES = (
    'pip install "cupy-cuda13x[ctk]", or "cupy-cuda12x[ctk]" where `nvidia-smi` says CUDA 12; '
    "the extras cuda13x and cuda12x of tinydl say the same"
)


def find_cupy() -> ModuleType:
    """CuPy, on a machine where it computes.

    A driver that is counted may still lack a compiler or libraries, so the smallest computation that needs them all
    is tried. Raises RuntimeError with a sentence that says what is missing.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise RuntimeError(_broken(error)) from error
        raise RuntimeError(f"CuPy is not installed: {PACKAGES}") from error
    except Exception as error:  # a broken installation can raise anything
        raise RuntimeError(_broken(error)) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise RuntimeError(
            f"CuPy {cupy.__version__} is installed, and there is no NVIDIA driver that it can use "
            f"({_first_line(error)})"
        ) from error
    if count == 0:
        raise RuntimeError(
            f"CuPy {cupy.__version__} and a driver are installed, and no GPU is visible; "
            "see `nvidia-smi` and CUDA_VISIBLE_DEVICES"
        )
    try:
        a = cupy.ones((2, 2), dtype="float32")
        found = float((a @ a + a).sum())
    except Exception as error:
        raise RuntimeError(
            "there is a GPU, and a product of two matrices fails on it "
            f"({type(error).__name__}: {_first_line(error)}); its libraries may be missing: {PACKAGES}"
        ) from error
    if found != 12.0:
        raise RuntimeError(
            f"there is a GPU, and it computes wrongly: A A + A of four ones adds up to {found:g}, not 12"
        )
    found_here: ModuleType = cupy
    return found_here


def _broken(error: Exception) -> str:
    return f"CuPy is installed and can't be imported ({type(error).__name__}: {_first_line(error)}); try: {PACKAGES}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
