"""Hypothesis strategies for everything that operations, layers and losses take.

    from hypothesis import given, strategies as st
    from tinydl.functional import avg_pool2d
    from tinydl.testing import gradcheck, strategies

    @given(strategies.broadcastable_tensors(2, max_dims=3))
    def test_an_operation(pair):
        assert gradcheck(lambda a, b: a * b.tanh(), pair)

    @given(strategies.pool_geometries(), st.data())
    def test_a_layer(geometry, data):
        x = data.draw(strategies.tensors(geometry.input_shape))
        assert gradcheck(lambda x: avg_pool2d(x, **geometry.options), [x])

Where an argument is a shape, a strategy for shapes will do: `tensors((2, 3))`, `tensors(shapes(max_dims=3))`.

What fails is shrunk to few axes of length 1 or 2, to options as near to the defaults as the failure allows, and to
plain memory. The numbers of an array come from one drawn integer, which shrinks to 0: they stay random, for
zeros would hide most mistakes. A memory layout other than contiguous is noted above the failing example, since
the tensor that is printed does not show it; so where nothing is noted, the layout does not matter.
"""

from tinydl.testing.strategies.geometries import Geometry, conv_geometries, pool_geometries
from tinydl.testing.strategies.indices import advanced_indices, axes, axis, basic_indices, indices
from tinydl.testing.strategies.labels import binary_masks, labels, one_hot_labels, probabilities
from tinydl.testing.strategies.shapes import broadcastable_shapes, shapes
from tinydl.testing.strategies.tensors import (
    IMAGE_LAYOUTS,
    LAYOUTS,
    arrays,
    broadcastable_tensors,
    lay_out,
    tensors,
)

__all__ = [
    "IMAGE_LAYOUTS",
    "LAYOUTS",
    "Geometry",
    "advanced_indices",
    "arrays",
    "axes",
    "axis",
    "basic_indices",
    "binary_masks",
    "broadcastable_shapes",
    "broadcastable_tensors",
    "conv_geometries",
    "indices",
    "labels",
    "lay_out",
    "one_hot_labels",
    "pool_geometries",
    "probabilities",
    "shapes",
    "tensors",
]
