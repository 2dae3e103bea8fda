"""Pictures of training, of networks and of what they get wrong. Needs matplotlib, loaded at the first picture.

    history.py    curves: loss and accuracy over the epochs
    gradient_flow.py  how large gradients and updates are, layer by layer
    lines.py      lines: a quantity of several runs against what was varied
    matrix.py     confusion: which class is taken for which
    weights.py    filters: the kernels of a convolution
    maps.py       feature_maps: one image on its way through a network
    pictures.py   images, mistakes
    rows.py       rows: named rows of images
    plane.py      latent, latents: points of several classes on a plane, or on several
    boundary.py   boundaries: how a classifier divides the plane, step by step
    roc.py        roc: true against false alarms
    graphs.py     graph: operations and leaves behind a tensor (layers.py arranges them)
    masks.py      masks: outlines over an image
    explanations.py  images beside maps of what mattered in them
    segmentation.py  segmentation: the class of every pixel as a colour
    manifold.py   manifold: what a decoder makes of the points of a plane
    bars.py       bars: numbers of several runs side by side
    comparison.py comparison, tradeoff: several networks side by side
    panels.py     learning_curves, by_layer: several networks in panels of one scale
    style.py      what all share; tiles.py: many small pictures as one

Every function returns a `matplotlib.figure.Figure`, and saves it as a PNG when it is given a `path`.
A path that ends otherwise raises ValueError. Tensors of any device and whatever NumPy takes for an array are drawn.
"""

from __future__ import annotations

from tinydl.plot.bars import bars
from tinydl.plot.boundary import boundaries
from tinydl.plot.comparison import comparison, tradeoff
from tinydl.plot.explanations import explanations
from tinydl.plot.gradient_flow import gradient_flow
from tinydl.plot.graphs import graph
from tinydl.plot.history import curves
from tinydl.plot.lines import lines
from tinydl.plot.manifold import manifold
from tinydl.plot.maps import feature_maps
from tinydl.plot.masks import masks
from tinydl.plot.matrix import confusion
from tinydl.plot.panels import by_layer, learning_curves
from tinydl.plot.pictures import images, mistakes
from tinydl.plot.plane import latent, latents
from tinydl.plot.roc import roc
from tinydl.plot.rows import rows
from tinydl.plot.segmentation import segmentation
from tinydl.plot.weights import filters

__all__ = [
    "bars",
    "boundaries",
    "by_layer",
    "comparison",
    "confusion",
    "curves",
    "explanations",
    "feature_maps",
    "filters",
    "gradient_flow",
    "graph",
    "images",
    "latent",
    "latents",
    "learning_curves",
    "lines",
    "manifold",
    "masks",
    "mistakes",
    "roc",
    "rows",
    "segmentation",
    "tradeoff",
]
