"""Reading a picture from a file that may be anything: bounded memory, one sentence when it is no picture."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.data.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 50_000_000  # 200 MB decoded
MAX_BYTES = 200_000_000
FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]


def read_picture(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The picture in a file as RGBA (H, W, 4), uint8, turned upright as its EXIF data say.

    PNG, JPEG, GIF, BMP, TIFF, WebP and the PNM formats are read; of several frames the first. Raises
    FileNotFoundError, IsADirectoryError and PermissionError as they are, and `DataError`, a ValueError, for
    what is not such a picture, is damaged, or would need too much memory.
    """
    from PIL import Image, UnidentifiedImageError

    name = os.fspath(path)
    with Path(path).open("rb") as file:
        about = os.fstat(file.fileno())
        # read(n) takes n bytes of memory however short the file is, so only what may have no end is asked so
        most = -1 if stat.S_ISREG(about.st_mode) else MAX_BYTES + 1
        if about.st_size > MAX_BYTES or len(data := file.read(most)) > MAX_BYTES:
            raise DataError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB; give a smaller picture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF data and the like do not matter here
        try:
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(_too_many(name, f"{picture.width} x {picture.height}"))
            picture = _upright(picture)
            if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
                picture = _eight_bits(np.array(picture, np.float64))
            return np.array(picture.convert("RGBA"))
        except DataError:
            raise
        except Image.DecompressionBombError as error:
            raise DataError(_too_many(name, "far too many")) from error
        except UnidentifiedImageError as error:
            raise DataError(
                f"{name}: not a picture that can be read; expected {', '.join(FORMATS)}"
            ) from error
        except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
            why = str(error) or type(error).__name__
            raise DataError(f"{name}: not a picture that can be read, or a damaged one ({why})") from error


def _too_many(name: str, pixels: str) -> str:
    limit = MAX_PIXELS // 1_000_000
    return f"{name}: {pixels} pixels; expected at most {limit} million, give a smaller picture"


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the EXIF data say, unless these are damaged."""
    from PIL import ImageOps

    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:  # the pixels are whole, whatever the EXIF data hold
        return picture


def _eight_bits(values: npt.NDArray[np.float64]) -> Image.Image:
    """Grey values of more than 8 bits, stretched to 0 ... 255; `values` is overwritten."""
    from PIL import Image

    np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    values -= low
    values *= 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(values.astype(np.uint8))
