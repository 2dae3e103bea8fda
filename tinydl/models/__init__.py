"""The networks of the course, under the names of the field."""

from tinydl.models.alexnet import AlexNet, SmallAlexNet
from tinydl.models.autoencoder import Autoencoder, ConvAutoencoder
from tinydl.models.cifar_resnet import CifarResNet
from tinydl.models.cyclegan import CycleGAN
from tinydl.models.enet import ENet
from tinydl.models.fcn import FCN
from tinydl.models.gan import DCGAN, GAN, ConditionalGAN
from tinydl.models.googlenet import GoogLeNet, Inception
from tinydl.models.lenet import LeNet5
from tinydl.models.mlp import MLP
from tinydl.models.perceptron import Perceptron
from tinydl.models.resnet import ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from tinydl.models.restoration import DnCNN, SuperResolution
from tinydl.models.segnet import SegNet
from tinydl.models.sparse_autoencoder import SparseAutoencoder
from tinydl.models.unet import UNet
from tinydl.models.vae import VAE, ConditionalVAE, ConvVAE
from tinydl.models.vgg import VGG16, VGG19, SmallVGG

__all__ = [
    "DCGAN",
    "FCN",
    "GAN",
    "MLP",
    "VAE",
    "VGG16",
    "VGG19",
    "AlexNet",
    "Autoencoder",
    "CifarResNet",
    "ConditionalGAN",
    "ConditionalVAE",
    "ConvAutoencoder",
    "ConvVAE",
    "CycleGAN",
    "DnCNN",
    "ENet",
    "GoogLeNet",
    "Inception",
    "LeNet5",
    "Perceptron",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "SegNet",
    "SmallAlexNet",
    "SmallVGG",
    "SparseAutoencoder",
    "SuperResolution",
    "UNet",
]
