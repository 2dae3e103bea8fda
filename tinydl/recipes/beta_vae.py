"""A beta-VAE beside a VAE: a higher price for what the code says, and fewer latents that say anything."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.models import VAE
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import count
from tinydl.recipes.variational import (
    Digits,
    Pixels,
    baselines,
    bound,
    decoded,
    digits,
    draw_reconstructions,
    draw_samples,
    means,
    said,
    train,
)

BETA = 4.0
SHOWN = 10  # latents in the picture of what each one does


def run(options: Options) -> dict[str, Any]:
    """Trains two VAEs that differ in beta alone; shows what each latent says, and what it does to a digit."""
    start, generator = time.perf_counter(), Generator(options.seed)
    data, start_of_both = digits(generator.fork()), generator.fork().seed
    results = {}
    for part, beta in zip(options.parts("beta-1", "beta-4"), (1.0, BETA), strict=True):
        model = VAE(generator=start_of_both)
        train(part, model, data, Generator(start_of_both), 3e-3, beta)
        results[beta] = bound(model, data, part)
        draw_samples(model, part, Generator(start_of_both))
        draw_reconstructions(model, data, part)
    plot.bars(
        {f"beta = {beta:g}": np.sort(result.kl)[::-1] for beta, result in results.items()},
        range(1, model.latent + 1),
        "Latent, those that say most first",
        "KL, mean over held-out digits (nats)",
        options.out / "kl.png",
        "What each latent says of a digit",
    )
    draw_latents(model, results[BETA].kl, data, options)
    metrics = (
        results[BETA].metrics() | results[1.0].metrics("baseline_vae_") | baselines(data, generator.fork())
    )
    print(said("beta-vae", metrics, data))
    print(
        f"with beta = {BETA:g} {metrics['test_latents_used']} of {model.latent} latents are used; with beta = 1 "
        f"{metrics['baseline_vae_latents_used']}, and the negative ELBO is {metrics['baseline_vae_negative_elbo']:.1f}"
    )
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def draw_latents(model: VAE, kl: Pixels, data: Digits, options: Options) -> None:
    """One held-out digit, decoded with one latent at a time moved from -3 to 3: those that say most first."""
    places = np.linspace(-3, 3, 13, dtype=np.float32)
    code = means(model, options, data.images[np.flatnonzero(data.labels == 3)[:1]])
    moved: dict[str, Pixels] = {}
    for i in np.argsort(-kl)[:SHOWN]:
        codes = np.repeat(code, len(places), axis=0)
        codes[:, i] = places
        moved[f"latent {i}: {kl[i]:.1f} nats"] = decoded(model, codes, options)
    plot.rows(
        moved, options.out / "latents.png", f"A held-out 3, one latent moved from -3 to 3 (beta = {BETA:g})"
    )


BETA_VAE = Recipe("beta-vae", "a VAE and a beta-VAE: which latents are used", 40, 100, run)
