"""What images cost in nats without a network: the figures that stand beside the bound of a VAE.

Pixels in [0, 1] are probabilities of white, as everywhere in the VAE recipes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinydl.random import Generator

Pixels = npt.NDArray[np.float32]

COMPONENTS = 200  # chosen on validation digits, of 20, 50, 100 and 200
ROUNDS = 30


def grey_nats(images: Pixels) -> float:
    """The entropy of the grey pixels, which even a perfect decoder pays: the sum, mean over images (N, ...)."""
    x = images.reshape(len(images), -1).astype(np.float64)
    inside = (x > 0) & (x < 1)  # 0 log 0 = 0
    p = np.where(inside, x, 0.5)
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    return float((entropy * inside).sum(1).mean())


@dataclass(frozen=True)
class BernoulliMixture:
    """A kind is drawn, and then every pixel for itself: p(x) = sum_k weights[k] prod_i Bernoulli(x_i; means[k, i]).

    With one component: the pixel means. `weights` (K,), `means` (K, pixels).
    """

    weights: Pixels
    means: Pixels

    def log_joint(self, images: Pixels) -> Pixels:
        """log weights[k] + log p(x | k), shape (N, K), for images (N, ...)."""
        x = images.reshape(len(images), -1)
        logit = np.log(self.means) - np.log1p(-self.means)
        joint: Pixels = x @ logit.T + (np.log1p(-self.means).sum(1) + np.log(self.weights))
        return joint

    def nats(self, images: Pixels) -> float:
        """-log sum_k weights[k] p(x | k), the mean over images (N, ...): the bound of a VAE, at the best q(k|x)."""
        return float(-_logsumexp(self.log_joint(images)).mean())


def pixel_means(images: Pixels) -> BernoulliMixture:
    """The best distribution of independent pixels for images (N, ...)."""
    x = images.reshape(len(images), -1)
    return BernoulliMixture(np.ones(1, np.float32), _means(np.ones((len(x), 1), np.float32), x))


def fit_mixture(images: Pixels, generator: Generator, components: int) -> BernoulliMixture:
    """The mixture for images (N, ...), by expectation and maximisation (Dempster, Laird and Rubin, 1977).

        r[n, k] = p(k | x_n),   weights[k] = mean_n r[n, k],   means[k] = sum_n r[n, k] x_n / sum_n r[n, k]

    Starts from random images, each half way to the mean of all.
    """
    x = images.reshape(len(images), -1)
    start = x[generator.permutation(len(x))[:components]]
    mixture = BernoulliMixture(
        np.full(len(start), 1 / len(start), np.float32), np.asarray((start + pixel_means(x).means) / 2)
    )
    for _ in range(ROUNDS):
        joint = mixture.log_joint(x)
        r = np.exp(joint - _logsumexp(joint)[:, None])
        mixture = BernoulliMixture((r.sum(0) + 1) / (len(x) + len(start)), _means(r, x))
    return mixture


def _means(r: Pixels, x: Pixels) -> Pixels:
    """Means of the pixels weighted by r (N, K), with one made-up image of the mean grey beside the N real ones.

    A pixel that is black in all training images would otherwise make a held-out image impossible.
    """
    return ((r.T @ x + x.mean()) / (r.sum(0) + 1)[:, None]).astype(np.float32)


def _logsumexp(a: Pixels) -> Pixels:
    top = a.max(1)
    return np.asarray(top + np.log(np.exp(a - top[:, None]).sum(1)))
