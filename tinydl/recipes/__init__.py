"""What `tinydl train NAME` does: one file for each network, with the settings that were chosen for it."""

from tinydl.recipes.alexnet import ALEXNET
from tinydl.recipes.anomaly import ANOMALY
from tinydl.recipes.anomaly_digits import ANOMALY_DIGITS
from tinydl.recipes.autoencoder import AUTOENCODER
from tinydl.recipes.beta_vae import BETA_VAE
from tinydl.recipes.conditional_vae import CONDITIONAL_VAE
from tinydl.recipes.conv_autoencoder import CONV_AUTOENCODER
from tinydl.recipes.cyclegan import CYCLEGAN
from tinydl.recipes.denoising import DENOISING
from tinydl.recipes.denoising_photos import DENOISING_PHOTOS
from tinydl.recipes.depth import DEPTH
from tinydl.recipes.explain import EXPLAIN
from tinydl.recipes.gan import CONDITIONAL_GAN, DCGAN_DIGITS, GAN_DIGITS
from tinydl.recipes.imbalance import IMBALANCE
from tinydl.recipes.lenet import LENET
from tinydl.recipes.mlp import MLP_DIGITS
from tinydl.recipes.overfitting import OVERFITTING
from tinydl.recipes.perceptron import PERCEPTRON
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.removebg import REMOVEBG
from tinydl.recipes.resnet import RESNET
from tinydl.recipes.segmentation import SEGMENTATION
from tinydl.recipes.segmentation_classes import SEGMENTATION_CLASSES
from tinydl.recipes.sparse_autoencoder import SPARSE_AUTOENCODER
from tinydl.recipes.super_resolution import SUPER_RESOLUTION, SUPER_RESOLUTION_PHOTOS
from tinydl.recipes.unet import UNET
from tinydl.recipes.unet_classes import UNET_CLASSES
from tinydl.recipes.unet_losses import UNET_LOSSES
from tinydl.recipes.unsupervised_segmentation import UNSUPERVISED_SEGMENTATION
from tinydl.recipes.vae import CONV_VAE, VAE_DIGITS, VAE_PLANE
from tinydl.recipes.vanishing_gradients import VANISHING_GRADIENTS
from tinydl.recipes.vgg import VGG
from tinydl.recipes.xor import XOR

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        PERCEPTRON,
        XOR,
        MLP_DIGITS,
        LENET,
        IMBALANCE,
        ALEXNET,
        VGG,
        RESNET,
        EXPLAIN,
        OVERFITTING,
        VANISHING_GRADIENTS,
        DEPTH,
        UNET,
        UNET_LOSSES,
        SEGMENTATION,
        UNET_CLASSES,
        SEGMENTATION_CLASSES,
        REMOVEBG,
        UNSUPERVISED_SEGMENTATION,
        GAN_DIGITS,
        DCGAN_DIGITS,
        CONDITIONAL_GAN,
        CYCLEGAN,
        AUTOENCODER,
        SPARSE_AUTOENCODER,
        CONV_AUTOENCODER,
        DENOISING,
        DENOISING_PHOTOS,
        SUPER_RESOLUTION,
        SUPER_RESOLUTION_PHOTOS,
        ANOMALY,
        ANOMALY_DIGITS,
        VAE_DIGITS,
        VAE_PLANE,
        BETA_VAE,
        CONV_VAE,
        CONDITIONAL_VAE,
    )
}

__all__ = ["RECIPES", "Options", "Recipe"]
