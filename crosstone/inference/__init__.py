"""A model meets recordings."""

from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording, Refusal

__all__ = ["Prediction", "Predictor", "Recording", "Refusal"]
