"""Variational autoencoders draw digits: dense, convolutional, and with a plane for a code."""

from __future__ import annotations

import time
from statistics import NormalDist
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.models import VAE, ConvVAE
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import count
from tinydl.recipes.variational import (
    baselines,
    bound,
    decoded,
    digits,
    draw_reconstructions,
    draw_samples,
    draw_walks,
    means,
    said,
    train,
)

SIDE = 20  # of the manifold, in digits


def vae(options: Options) -> dict[str, Any]:
    """Trains the dense VAE with 20 latents."""
    return _train_and_show("vae", VAE, 3e-3, options)


def conv_vae(options: Options) -> dict[str, Any]:
    """Trains the convolutional VAE with 20 latents."""
    return _train_and_show("conv-vae", ConvVAE, 1e-2, options)


def _train_and_show(name: str, build: Any, max_lr: float, options: Options) -> dict[str, Any]:
    """Measures the bound beside its baselines; draws reconstructions, samples, walks, and the KL of each latent."""
    start, generator = time.perf_counter(), Generator(options.seed)
    data = digits(generator.fork())
    model = build(generator=generator.fork())
    train(options, model, data, generator.fork(), max_lr)
    draw_reconstructions(model, data, options)
    draw_samples(model, options, generator.fork())
    draw_walks(model, data, options)
    result = bound(model, data, options)
    order = np.argsort(-result.kl)
    plot.bars(
        {"KL": result.kl[order]},
        order,
        "Latent, those that say most first",
        "KL, mean over held-out digits (nats)",
        options.out / "kl.png",
        "What each latent says of a digit",
    )
    metrics = result.metrics() | baselines(data, generator.fork())
    print(said(name, metrics, data))
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def vae_plane(options: Options) -> dict[str, Any]:
    """Trains the dense VAE with two latents; draws where the held-out digits lie, and what lies everywhere."""
    start, generator = time.perf_counter(), Generator(options.seed)
    data = digits(generator.fork())
    model = VAE(latent=2, generator=generator.fork())
    train(options, model, data, generator.fork(), 3e-3)
    plot.latent(
        means(model, options, data.images),
        data.labels,
        path=options.out / "plane.png",
        title="Where the encoder puts held-out digits: mu",
    )
    draw_manifold(model, options)
    draw_reconstructions(model, data, options)
    metrics = bound(model, data, options).metrics() | baselines(data, generator.fork())
    print(said("vae-plane", metrics, data))
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def draw_manifold(model: VAE, options: Options) -> None:
    """What is decoded from a grid of the plane: steps of equal probability under N(0, 1), as codes are drawn."""
    places = np.array([NormalDist().inv_cdf((i + 0.5) / SIDE) for i in range(SIDE)], np.float32)
    first, second = np.meshgrid(places, places)
    pictures = decoded(model, np.stack([first.ravel(), second.ravel()], axis=1), options)
    plot.manifold(
        pictures.reshape(SIDE, SIDE, 28, 28),
        places,
        options.out / "manifold.png",
        "What the decoder draws where",
    )


VAE_DIGITS = Recipe("vae", "a variational autoencoder draws digits", 50, 100, vae)
VAE_PLANE = Recipe("vae-plane", "all digits on a plane: a VAE with two latents", 50, 100, vae_plane)
CONV_VAE = Recipe("conv-vae", "a convolutional variational autoencoder draws digits", 25, 100, conv_vae)
