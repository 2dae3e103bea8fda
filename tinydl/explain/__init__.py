"""Looking inside a classifier: which pixels its answer depends on, and what it would like to see.

    gradients.py    saliency, smooth_grad, integrated_gradients: the derivative of a class's score
    cam.py          grad_cam: where a layer saw the class
    occlusion.py    occlusion: what the answer loses when a part is covered
    activation.py   maximise_activation: the image that excites a neuron most
    adversarial.py  fgsm: a small change that deceives
    deletion.py     deletion: does the answer need the pixels that an explanation names?

`filters` and `feature_maps` are the pictures of `tinydl.plot`: what a layer looks for, and what it finds. In the other
functions a model maps images (N, C, H, W) to scores (N, classes) before softmax. It runs in evaluation mode and is left
as it was; no parameter's gradient is touched.
"""

from __future__ import annotations

from tinydl.explain.activation import maximise_activation
from tinydl.explain.adversarial import fgsm
from tinydl.explain.cam import grad_cam
from tinydl.explain.deletion import deletion
from tinydl.explain.gradients import integrated_gradients, saliency, smooth_grad
from tinydl.explain.occlusion import occlusion
from tinydl.plot import feature_maps, filters

__all__ = [
    "deletion",
    "feature_maps",
    "fgsm",
    "filters",
    "grad_cam",
    "integrated_gradients",
    "maximise_activation",
    "occlusion",
    "saliency",
    "smooth_grad",
]
