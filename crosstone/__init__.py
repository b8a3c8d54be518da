"""crosstone: audio–text models that hear how something is said as well as what is said."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crosstone.inference.predictor import Predictor
    from crosstone.runs.recipe import Recipe, load_recipe
    from crosstone.runs.runset import run

_LAZY = {
    "Predictor": "crosstone.inference.predictor",
    "Recipe": "crosstone.runs.recipe",
    "load_recipe": "crosstone.runs.recipe",
    "run": "crosstone.runs.runset",
}
"""Where each name is found; `import crosstone` itself imports no torch."""


def load(folder: str) -> "Predictor":
    """The model of a folder or hub id, ready to answer: `load("runs/mine").predict("a.wav")`."""
    from crosstone.inference.predictor import Predictor

    return Predictor.load(folder)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'crosstone' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


__all__ = ["Predictor", "Recipe", "__version__", "load", "load_recipe", "run"]
