"""crosstone: audio–text models that hear how something is said as well as what is said."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crosstone.inference.placement import Precision
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


def load(
    folder: str,
    *,
    head: str | None = None,
    abstain: float | None = None,
    coverage: float | None = None,
    device: str | None = None,
    precision: "Precision" = "float32",
) -> "Predictor":
    """The model of a folder or hub id, ready to answer: `load("runs/mine").predict("a.wav")`.

    The rest as in `Predictor.load`: which head answers, what is promised of its answers, on which
    device, how precisely.
    """
    from crosstone.inference.predictor import Predictor

    return Predictor.load(
        folder, head=head, abstain=abstain, coverage=coverage, device=device, precision=precision
    )


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'crosstone' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


__all__ = ["Predictor", "Recipe", "__version__", "load", "load_recipe", "run"]
