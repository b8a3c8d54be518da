"""A model meets recordings."""

from crosstone.inference.predictor import Prediction, Predictor

__all__ = ["Prediction", "Predictor"]
