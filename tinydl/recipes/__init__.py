"""What `tinydl train NAME` does: one file for each network, with the settings that were chosen for it."""

from tinydl.recipes.lenet import LENET
from tinydl.recipes.mlp import MLP_DIGITS
from tinydl.recipes.perceptron import PERCEPTRON
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.xor import XOR

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (PERCEPTRON, XOR, MLP_DIGITS, LENET)}

__all__ = ["RECIPES", "Options", "Recipe"]
