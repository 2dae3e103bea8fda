"""Transforms of batches: for each image an amount is drawn, and the image changed by it. The changes: augment/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy.typing as npt

from tinydl.random import Generator, GeneratorLike, as_generator

Array: TypeAlias = npt.NDArray[Any]
Batch: TypeAlias = tuple[Array, ...]
# A function of images that returns them changed. An `Augmentation` is one, and can do more.
Transform: TypeAlias = Callable[[Array, Generator], Array]


class Augmentation:
    """Changes images (N, C, H, W), each by an amount of its own, and what belongs to them.

    `augmentation(images, generator)` returns changed images of the same dtype; `augmentation.batch(arrays,
    generator)` changes a whole batch, as the DataLoader does: its first array holds the images, and arrays that lie
    on the same pixels, masks (N, H, W) or (N, C, H, W), are moved with them, by nearest neighbour, so that the
    labels in them stay labels. What it gets stays as it was.

    One's own has `draw`, which draws the amounts, `change`, which applies them to images, and where pixels move
    `move_masks`. Raises ValueError for images of other axes, TypeError for images that are not floating (flips
    and crops take any dtype).
    """

    any_dtype = False

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Any:
        """Random amounts for images of this shape (N, C, H, W). Raises NotImplementedError if it is not written."""
        raise NotImplementedError(f"{type(self).__name__} has no method `draw`")

    def change(self, images: Array, drawn: Any) -> Array:
        """The images (N, C, H, W) changed by these amounts. Raises NotImplementedError if it is not written."""
        raise NotImplementedError(f"{type(self).__name__} has no method `change`")

    def move_masks(self, masks: Array, drawn: Any) -> Array:
        """Masks (N, C, H, W) moved as the images are: here not at all. Raises what moving the images raises."""
        return masks

    def __call__(self, images: Array, generator: GeneratorLike = None) -> Array:
        return self.batch((images,), generator)[0]

    def batch(self, batch: Batch, generator: GeneratorLike = None) -> Batch:
        """The arrays of a batch, of any dtypes: images (N, C, H, W), and what belongs to them.

        Raises: ValueError for images of other axes, TypeError for images that are not floating.
        """
        images, *others = batch
        if images.ndim != 4:
            raise ValueError(f"{type(self).__name__}: expected images (N, C, H, W), got {images.shape}")
        if images.dtype.kind != "f" and not self.any_dtype:
            raise TypeError(
                f"{type(self).__name__}: expected floating images, got {images.dtype}; "
                "divide bytes by 255 first (td.data.to_float)"
            )
        drawn = self.draw(images.shape, as_generator(generator))
        return (self.change(images, drawn), *(self._followed(a, images.shape, drawn) for a in others))

    def _followed(self, array: Array, shape: tuple[int, ...], drawn: Any) -> Array:
        if array.ndim not in (3, 4) or array.shape[-2:] != shape[-2:]:
            return array  # labels, weights: nothing that has pixels
        masks = self.move_masks(array if array.ndim == 4 else array[:, None], drawn)
        return masks if array.ndim == 4 else masks[:, 0]


class Compose(Augmentation):
    """Several changes of images (N, C, H, W), one after the other; raises what they raise.

    Functions (images, generator) -> images may stand among them; masks do not follow these.
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def batch(self, batch: Batch, generator: GeneratorLike = None) -> Batch:
        generator = as_generator(generator)
        for transform in self.transforms:
            batch = transformed(transform, batch, generator)
        return batch


def transformed(transform: Transform, batch: Batch, generator: Generator) -> Batch:
    """A batch of arrays (N, ...) after a transform: all of it by an `Augmentation`, the first array by a function.

    Raises: what the transform raises.
    """
    if isinstance(transform, Augmentation):
        return transform.batch(batch, generator)
    return (transform(batch[0], generator), *batch[1:])
