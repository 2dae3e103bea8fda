"""Pictures of training, of networks and of what they get wrong. Needs matplotlib, loaded at the first picture.

    history.py    curves: loss and accuracy over the epochs
    matrix.py     confusion: which class is taken for which
    weights.py    filters: the kernels of a convolution
    maps.py       feature_maps: one image on its way through a network
    pictures.py   images, mistakes
    plane.py      latent: points of several classes on a plane
    boundary.py   boundaries: how a classifier divides the plane, step by step
    graphs.py     graph: operations and leaves behind a tensor (layers.py arranges them)
    style.py      what all share; tiles.py: many small pictures as one

Every function returns a `matplotlib.figure.Figure`, and saves it as a PNG when it is given a `path`.
A path that ends otherwise raises ValueError. Tensors of any device and whatever NumPy takes for an array are drawn.
"""

from __future__ import annotations

from tinydl.plot.boundary import boundaries
from tinydl.plot.graphs import graph
from tinydl.plot.history import curves
from tinydl.plot.maps import feature_maps
from tinydl.plot.matrix import confusion
from tinydl.plot.pictures import images, mistakes
from tinydl.plot.plane import latent
from tinydl.plot.weights import filters

__all__ = [
    "boundaries",
    "confusion",
    "curves",
    "feature_maps",
    "filters",
    "graph",
    "images",
    "latent",
    "mistakes",
]
