"""Every network of the course at its default settings: what it learned, as one page with pictures and figures.

Pictures of some scripts in examples/ stand on it as well.

python -m examples.gallery              trains all of them, one after the other, and writes examples/gallery.md
python -m examples.gallery lenet vae    trains these alone; the page keeps what it has of the others
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tinydl.cli import main as tinydl
from tinydl.recipes import RECIPES

PAGE = Path(__file__).parent / "gallery.md"
WIDTH, COLOURS = 800, 128  # of the pictures on the page: small files


@dataclass(frozen=True)
class Entry:
    """A network on the page: which of its pictures are shown, and what its figures say."""

    name: str
    pictures: tuple[str, ...]
    text: str  # {names} of metrics.json stand for its numbers

    @property
    def title(self) -> str:
        """What it is."""
        return RECIPES[self.name].summary

    @property
    def command(self) -> str:
        """What makes it."""
        return f"tinydl train {self.name}"


@dataclass(frozen=True)
class Example(Entry):
    """A script of examples/ on the page, with pictures and no figures. It runs in a folder of its own."""

    title: str = ""

    @property
    def command(self) -> str:
        """What makes it."""
        return f"python examples/{self.name}.py"


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "perceptron",
        ("or_gate.png", "xor.png"),
        "One neuron learns OR by Rosenblatt's rule. XOR it never learns: no line separates it.",
    ),
    Entry(
        "xor",
        ("boundary.png",),
        "One neuron can separate three of the four rows at most. Four hidden neurons separate {accuracy:.0%} of them.",
    ),
    Entry(
        "lenet",
        ("feature_maps.png", "gradient_flow.png", "mistakes.png"),
        "{test_accuracy:.1%} of 1,000 held-out digits are read right; the most similar training digit "
        "answers {baseline_nearest_neighbour_accuracy:.1%} right.",
    ),
    Entry(
        "explain",
        (
            "explanations.png",
            "black.png",
            "inverted.png",
            "deceived.png",
            "deceived_accuracy.png",
            "ideals.png",
        ),
        "Three right answers of LeNet-5 and its two surest mistakes: which pixels do they depend on? A test of the "
        "explanations: when the 5% of pixels that integrated gradients name are painted black, "
        "{test_black_integrated_gradients:.0%} of 300 held-out digits are still read right, by occlusion "
        "{test_black_occlusion:.0%}, Grad-CAM {test_black_grad_cam:.0%}, SmoothGrad {test_black_smoothgrad:.0%}, "
        "saliency {test_black_saliency:.0%}; without the brightest pixels, which nobody has to explain, "
        "{baseline_black_brightest:.0%}, without random ones {baseline_black_random:.0%}. But black can "
        "only take ink away. When pixels are inverted instead, the order is another: SmoothGrad "
        "{test_inverted_smoothgrad:.0%}, saliency {test_inverted_saliency:.0%}, integrated gradients "
        "{test_inverted_integrated_gradients:.0%}, occlusion {test_inverted_occlusion:.0%}, Grad-CAM "
        "{test_inverted_grad_cam:.0%}, random pixels "
        "{baseline_inverted_random:.0%}. An explanation answers the question it was made for, and no other. Changing "
        "every pixel by 0.1 against the network leaves {test_fgsm_accuracy:.0%} of 1,000 right, in random directions "
        "{baseline_noise_accuracy:.0%}. "
        "The images that excite its outputs most are no digits, yet it is {ideal_probability:.0%} sure of them.",
    ),
    Entry(
        "imbalance",
        ("recall.png",),
        "Of 1, 3, 5, 7 and 9 there are only {rare_images} training images each, of the others {frequent_images}. Mean "
        "recall of the rare digits: plainly {baseline_plain_rare_recall:.0%}, with a weighted loss "
        "{test_weights_rare_recall:.0%}, with a balanced sampler {test_sampler_rare_recall:.0%}, with changed copies "
        "of the rare {test_copies_rare_recall:.0%}; with all images changed and nothing balanced "
        "{test_augmented_rare_recall:.0%}. The copies cost the frequent digits some recall: "
        "{test_copies_frequent_recall:.0%} in place of {baseline_plain_frequent_recall:.0%}.",
    ),
    Entry(
        "mlp",
        ("filters.png",),
        "Without knowing that pixels have neighbours: {test_accuracy:.1%} of 1,000 held-out digits are read right; the "
        "most similar training digit answers {baseline_nearest_neighbour_accuracy:.1%} right.",
    ),
    Entry(
        "alexnet",
        ("filters.png", "mistakes.png"),
        "The order of AlexNet's layers with a quarter of their widths, {parameters:,} parameters: {test_accuracy:.1%} "
        "of 1,000 held-out digits are read right; the most similar training digit answers "
        "{baseline_nearest_neighbour_accuracy:.1%} right.",
    ),
    Entry(
        "vgg",
        ("feature_maps.png",),
        "Pairs of 3x3 convolutions, twice as many whenever the maps are halved, {parameters:,} parameters: "
        "{test_accuracy:.1%} of 1,000 held-out digits are read right; the most similar training digit answers "
        "{baseline_nearest_neighbour_accuracy:.1%} right.",
    ),
    Entry(
        "resnet",
        ("curves.png", "mistakes.png"),
        "Twenty layers, {epochs} epochs, {parameters:,} parameters: {test_accuracy:.1%} of 1,000 held-out digits are "
        "read right; the most similar training digit answers {baseline_nearest_neighbour_accuracy:.1%} right.",
    ),
    Entry(
        "overfitting",
        ("overfitting.png",),
        "{parameters:,} parameters, {images} digits. Cross-entropy of held-out digits (and how many are read right): "
        "without a remedy {test_loss_nothing:.2f} ({test_accuracy_nothing:.1%}), with dropout "
        "{test_loss_dropout:.2f} ({test_accuracy_dropout:.1%}), with weight decay {test_loss_weight_decay:.2f} "
        "({test_accuracy_weight_decay:.1%}), with early stopping {test_loss_early_stopping:.2f} "
        "({test_accuracy_early_stopping:.1%}); by the most similar of the {images} digits "
        "{baseline_nearest_neighbour_accuracy:.1%}. All three remedies make the network less sure of its mistakes; "
        "fewer of them it made, in each of three runs, with dropout alone.",
    ),
    Entry(
        "vanishing-gradients",
        ("gradients.png", "learning.png"),
        "The gradient of the first of 50 layers, divided by that of the last: {ratio_sigmoid_50:.0e} with sigmoid, "
        "{ratio_tanh_50:.0e} with tanh, {ratio_relu_50:.0e} with ReLU; from weights of the right size "
        "{ratio_sigmoid_scaled_50:.0e}, {ratio_tanh_scaled_50:.2g} and {ratio_relu_scaled_50:.2g}; with batch norm it "
        "explodes to {ratio_batch_norm_50:.0e}, with residual layers it is {ratio_residual_50:.2g}. After "
        "{epochs} epochs these networks read of the held-out digits: {test_accuracy_sigmoid:.0%}, "
        "{test_accuracy_tanh:.0%} and {test_accuracy_relu:.0%}; from weights of the right size "
        "{test_accuracy_sigmoid_scaled:.0%}, {test_accuracy_tanh_scaled:.0%} and {test_accuracy_relu_scaled:.0%}; "
        "{test_accuracy_batch_norm:.0%} with batch norm and {test_accuracy_residual:.0%} with residual layers; chance "
        "is {baseline_chance_accuracy:.0%}.",
    ),
    Entry(
        "depth",
        ("depth.png",),
        "Trained equally long on the same digits of 14x14 pixels, 32 plain layers learn worse than 20: training "
        "cross-entropy {train_loss_plain_32:.3f} against {train_loss_plain_20:.3f}. With shortcuts, and no parameter "
        "more, {train_loss_residual_32:.3f} against {train_loss_residual_20:.3f}. Held-out digits read right: plain "
        "{test_accuracy_plain_20:.1%} and {test_accuracy_plain_32:.1%}, residual {test_accuracy_residual_20:.1%} and "
        "{test_accuracy_residual_32:.1%}; by the most similar training digit, at full resolution, "
        "{baseline_nearest_neighbour_accuracy:.1%}.",
    ),
    Entry(
        "autoencoder",
        ("planes.png", "reconstructions.png"),
        "Held-out digits rebuilt from 2 numbers: mean squared error {test_mse_2:.4f}, by PCA {baseline_pca_mse_2:.4f} "
        "({less_than_pca_2:.0%} less); from 16 numbers {test_mse_16:.4f}, by PCA {baseline_pca_mse_16:.4f} "
        "({less_than_pca_16:.0%} less). On the plane the nearest training digit is of the same class for "
        "{plane_accuracy:.0%}, on the PCA plane for {baseline_pca_plane_accuracy:.0%}.",
    ),
    Entry(
        "sparse-autoencoder",
        ("features.png", "reconstructions.png", "activations.png"),
        "Mean activation of 256 units: {activation_plain:.2f} without a penalty, {activation_l1:.2f} with L1, "
        "{activation_kl:.2f} with KL, {activation_dropout:.2f} with dropout. It costs accuracy: mean squared error "
        "{test_mse_plain:.4f}, {test_mse_l1:.4f}, {test_mse_kl:.4f}, {test_mse_dropout:.4f}.",
    ),
    Entry(
        "conv-autoencoder",
        ("reconstructions.png",),
        "Held-out clothes rebuilt from 32 numbers: mean squared error {test_mse:.4f}; by a dense network with as many "
        "parameters ({baseline_dense_parameters:,.0f}) and eight times as many epochs at most "
        "{baseline_dense_mse:.4f}, by PCA {baseline_pca_mse:.4f}.",
    ),
    Entry(
        "denoising",
        ("digits.png",),
        "PSNR of held-out digits {baseline_noisy_psnr:.1f} dB with noise; restored by a dense autoencoder "
        "{test_dense_psnr:.1f} dB, by a convolutional one {test_convolutional_psnr:.1f} dB, by the best Gaussian "
        "filter {baseline_gaussian_psnr:.1f} dB, the best median filter {baseline_median_psnr:.1f} dB, PCA "
        "{baseline_pca_psnr:.1f} dB.",
    ),
    Entry(
        "denoising-photos",
        ("photo.png", "detail.png"),
        "A photo that the network never saw, with noise: PSNR {baseline_noisy_psnr:.1f} dB; restored by the network "
        "{test_psnr:.1f} dB (SSIM {test_ssim:.2f}), by the best Gaussian filter {baseline_gaussian_psnr:.1f} dB "
        "({baseline_gaussian_ssim:.2f}), by the best median filter {baseline_median_psnr:.1f} dB "
        "({baseline_median_ssim:.2f}).",
    ),
    Entry(
        "super-resolution",
        ("digits.png",),
        "Held-out digits of 14x14 pixels enlarged to 28x28: PSNR {test_psnr:.1f} dB, by bicubic interpolation "
        "{baseline_bicubic_psnr:.1f} dB.",
    ),
    Entry(
        "super-resolution-photos",
        ("detail.png",),
        "A photo that the network never saw, twice as large: PSNR {test_psnr:.1f} dB, by bicubic interpolation "
        "{baseline_bicubic_psnr:.1f} dB.",
    ),
    Entry(
        "anomaly",
        ("roc.png",),
        "Trained on benign cases alone, the reconstruction error tells malignant ones with an AUC of {test_auc:.3f}; a "
        "linear autoencoder (PCA) gets {baseline_linear_auc:.3f}, but the plain distance from the mean, which needs no "
        "network, {baseline_distance_auc:.3f}. At a threshold from benign cases {test_true_positive_rate:.0%} of the "
        "malignant are found with {test_false_positive_rate:.0%} false alarms.",
    ),
    Entry(
        "anomaly-digits",
        ("roc.png", "rebuilt.png"),
        "Ten networks, each trained without one of the digits, look for it: the mean AUC is {test_auc:.3f}, that of a "
        "linear autoencoder {baseline_linear_auc:.3f}. A 1 goes unnoticed (AUC {test_1_auc:.2f}): it is so simple that "
        "every network rebuilds it.",
    ),
    Entry(
        "vae",
        ("samples.png", "reconstructions.png", "walk.png"),
        "Held-out digits cost {test_negative_elbo:.1f} nats at most ({test_reconstruction:.1f} reconstruction + "
        "{test_kl:.1f} KL); a mixture of 200 pixel means {baseline_mixture_nats:.1f}, independent pixels "
        "{baseline_pixel_means_nats:.1f}. Many samples are strokes that form no digit: 3,600 images are few.",
    ),
    Entry(
        "vae-plane",
        ("manifold.png", "plane.png"),
        "With two latents {test_negative_elbo:.1f} nats, more than a mixture of 200 pixel means "
        "({baseline_mixture_nats:.1f}): too few for ten digits, but all of them can be seen.",
    ),
    Entry(
        "beta-vae",
        ("kl.png", "latents.png"),
        "A higher price for the code leaves {test_latents_used} of 20 latents in use: {test_reconstruction:.1f} "
        "reconstruction + {test_kl:.1f} KL nats, the plain VAE {baseline_vae_reconstruction:.1f} + "
        "{baseline_vae_kl:.1f} with {baseline_vae_latents_used}.",
    ),
    Entry(
        "conv-vae",
        ("samples.png", "reconstructions.png"),
        "{test_negative_elbo:.1f} nats with {parameters:,} parameters, a sixth of the dense network's; a mixture of "
        "200 pixel means {baseline_mixture_nats:.1f}.",
    ),
    Entry(
        "conditional-vae",
        ("samples.png", "rewritten.png"),
        "Asked for a digit, it draws one that a LeNet-5 reads as that digit in {recognised:.1%} of the samples; real "
        "held-out digits are read right in {classifier_test_accuracy:.1%}. The samples vary less than real digits: "
        "{sample_variance:.1f} against {test_digits_variance:.1f}.",
    ),
    Entry(
        "gan",
        ("over_time.png", "samples.png"),
        "Two dense networks: after {epochs} epochs a classifier sees all ten digits in 1,000 samples, with an entropy "
        "of {entropy:.2f} nats of log 10 = {baseline_uniform_entropy:.2f}: no mode collapse, but speckled digits.",
    ),
    Entry(
        "dcgan",
        ("over_time.png", "samples.png", "nearest.png"),
        "Convolutions draw cleaner strokes: entropy {entropy:.2f} of {baseline_uniform_entropy:.2f} nats. Samples are "
        "{nearest_rmse:.3f} (RMSE) from the nearest training digit, real held-out digits "
        "{baseline_real_nearest_rmse:.3f}: they are not copies.",
    ),
    Entry(
        "conditional-gan",
        ("samples.png", "over_time.png"),
        "A LeNet-5 trained on real digits reads {recognised:.1%} of the samples as the digit that was asked for, and "
        "{classifier_test_accuracy:.1%} of real held-out digits.",
    ),
    Entry(
        "cyclegan",
        ("to_ink.png", "from_ink.png"),
        "Learned without pairs: held-out digits become ink with a mean error of {g_error:.3f} (unchanged: "
        "{baseline_identity_g_error:.3f}) and come back within {cycle_x_error:.3f} (the mean digit: "
        "{baseline_mean_image_x_error:.3f}). A classifier of white digits reads {recognised:.1%} of the translated ink "
        "digits, {baseline_identity_recognised:.1%} of the untranslated.",
    ),
    Entry(
        "unet",
        ("nuclei.png",),
        "Dice {test_dice:.3f} and IoU {test_iou:.3f} on columns never seen, with the mean of eight orientations; the "
        "best grey threshold gets {baseline_threshold_dice:.3f}, gradient-boosted trees {baseline_trees_dice:.3f}. "
        "{test_nuclei_found} of {test_nuclei} nuclei are found, {test_nuclei_false} objects are none; the true mask "
        "itself gives {test_nuclei_found_by_the_true_mask}, because nuclei that touch become one.",
    ),
    Entry(
        "unet-losses",
        ("probabilities.png", "losses.png"),
        "Dice by loss: cross-entropy {test_bce_dice:.3f}, Dice {test_dice_dice:.3f}, their sum "
        "{test_bce_dice_dice:.3f}: little between them. The Dice loss makes the network too sure: "
        "{test_dice_undecided:.1%} of pixels are left between 5% and 95%, with cross-entropy "
        "{test_bce_undecided:.1%}.",
    ),
    Entry(
        "segmentation",
        ("tradeoff.png", "nuclei.png"),
        "Trained equally long: U-Net {test_unet_dice:.3f} in {test_unet_milliseconds:.0f} ms, FCN "
        "{test_fcn_dice:.3f} in {test_fcn_milliseconds:.0f} ms, SegNet {test_segnet_dice:.3f} in "
        "{test_segnet_milliseconds:.0f} ms, ENet {test_enet_dice:.3f} in {test_enet_milliseconds:.0f} ms; "
        "gradient-boosted trees get {baseline_trees_dice:.3f}.",
    ),
    Entry(
        "unet-classes",
        ("segmentation.png", "losses.png"),
        "Digits from 0 to 4 on crops of a photo that U-Net never saw: mean IoU with cross-entropy "
        "{test_cross_entropy_iou:.2f}, with the Dice loss {test_dice_iou:.2f}, with both {test_both_iou:.2f}; by a "
        "threshold and the most similar training digit {baseline_iou:.2f}.",
    ),
    Entry(
        "segmentation-classes",
        ("tradeoff.png", "segmentation.png"),
        "Digits on crops of a photo that no network saw: mean IoU of U-Net {test_unet_iou:.2f}, FCN "
        "{test_fcn_iou:.2f}, SegNet {test_segnet_iou:.2f}, ENet {test_enet_iou:.2f}; by a threshold and the most "
        "similar training digit {baseline_iou:.2f}.",
    ),
    Entry(
        "removebg",
        ("cutouts.png",),
        "Digits, clothes and nuclei on crops of photos, and nothing else, is what it was trained on. IoU of held-out "
        "objects on a held-out photo {test_iou:.3f}; by the colour of the border {baseline_border_colour_iou:.3f}, by "
        "threshold {baseline_threshold_iou:.3f}.",
    ),
    Entry(
        "unsupervised-segmentation",
        ("regions.png",),
        "Nobody said what is right here. Clusters of colours explain {colour_colour_explained:.0%} of the colour's "
        "variance but divide {colour_border_share:.0%} of neighbouring pixels; clusters of what an autoencoder learned "
        "explain {autoencoder_colour_explained:.0%} and divide {autoencoder_border_share:.0%}.",
    ),
    Example(
        "augmentation",
        ("runs/augmentation.png",),
        "Every random change of `td.data.augment`, twice for each picture. What is no change of meaning depends on the "
        "task: a mirrored cat is a cat, a mirrored 5 is none. What augmentation buys is measured in "
        "[augmentation_gain.md](../benchmarks/results/augmentation_gain.md), what it costs in "
        "[augmentation.md](../benchmarks/results/augmentation.md).",
        title="Augmentation: a photo and a digit, changed at random",
    ),
    Example(
        "gradient_flow",
        ("runs/gradient_flow_good.png", "runs/gradient_flow_high.png"),
        "What `train.GradientFlow` records while LeNet-5 learns digits. With a good learning rate all layers get "
        "gradients of a like size, and a step moves weights by some thousandths of theirs. With one that is far too "
        "high, the first steps move weights by a tenth: every tanh is soon at its end, where it is flat, and the "
        "gradient is lost on its way back to the first layer.",
        title="Gradient flow: a learning rate that is good, and one that is far too high",
    ),
    Example(
        "classic_filters",
        ("runs/classic_filters.png",),
        "Convolutions whose weights nobody had to learn, by `td.functional.conv2d`, and the same photo in red, green "
        "and blue, in hue, saturation and value, and in light and colour differences as JPEG has them.",
        title="The classic kernels and colour spaces on a photo",
    ),
)


def train(entry: Entry, out: Path) -> None:
    """Trains one network as `tinydl train` does, or runs the example; ends the gallery if that goes wrong."""
    if isinstance(entry, Example):
        out.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        subprocess.run([sys.executable, PAGE.parent.resolve() / f"{entry.name}.py"], cwd=out, check=True)
        facts = {"seconds": round(time.perf_counter() - start, 2)}
        (out / "metrics.json").write_text(json.dumps(facts), encoding="utf-8")
    elif tinydl(["train", entry.name, "--quiet", "--out", str(out)]) != 0:
        raise SystemExit(f"gallery: {entry.name} was not trained")


def kept_name(entry: Entry, picture: str) -> str:
    """The file name of a picture in the folder of the page: photos need more colours than a small PNG has."""
    return f"{entry.name}_{Path(picture).stem}{'.jpg' if isinstance(entry, Example) else '.png'}"


def keep(entry: Entry, out: Path, folder: Path) -> None:
    """Copies the figures of a run, and small versions of its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in entry.pictures:
        with Image.open(out / name) as picture:
            small = picture.convert("RGB")
            small.thumbnail((WIDTH, 4 * WIDTH), Image.Resampling.LANCZOS)
            if not isinstance(entry, Example):
                small = small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
            small.save(folder / kept_name(entry, name), optimize=True)
    (folder / f"{entry.name}.json").write_bytes((out / "metrics.json").read_bytes())


def page(entries: tuple[Entry, ...], folder: Path) -> str:
    """The page, in Markdown, of all networks that were trained."""
    lines = [
        "# Gallery",
        "",
        "Every network of the course, trained on real data by one command. The figures are those of one run with the "
        "default seed; [what three seeds reach](../benchmarks/results/networks.md) stands beside the other results. "
        "Written by `python -m examples.gallery`, which trains all of them anew.",
    ]
    for entry in entries:
        path = folder / f"{entry.name}.json"
        if not path.exists():
            continue
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lines += ["", f"## {entry.title[0].upper()}{entry.title[1:]}", "", entry.text.format_map(metrics)]
        lines += ["", f"`{entry.command}`, {metrics['seconds']:.0f} s."]
        for name in entry.pictures:
            lines += [
                "",
                f"![{entry.name}: {Path(name).stem.replace('_', ' ')}]({folder.name}/{kept_name(entry, name)})",
            ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the networks that are named, or all, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the runs (default runs/)")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - {entry.name for entry in ENTRIES}):
        parser.error(f"{', '.join(unknown)} unknown; there are {', '.join(entry.name for entry in ENTRIES)}")
    folder = PAGE.with_suffix("")
    for entry in ENTRIES:
        if not asked.names or entry.name in asked.names:
            train(entry, asked.runs / entry.name)
            keep(entry, asked.runs / entry.name, folder)
            PAGE.write_text(page(ENTRIES, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
