"""Why a model answers as it does: what each word and each stretch of sound did."""

from crosstone.inference.explain.explain import explain
from crosstone.inference.explain.explanation import Explanation, Settings

__all__ = ["Explanation", "Settings", "explain"]
