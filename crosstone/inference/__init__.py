"""A model meets recordings."""

from crosstone.inference.predictor import Prediction, Predictor
from crosstone.inference.recording import Recording, Refusal

__all__ = ["Prediction", "Predictor", "Recording", "Refusal"]
