"""Who trains, who tests, what is counted, and how the winner is chosen."""

from crosstone.protocols.base import Fold, ProtocolSpec, plan_folds

__all__ = ["Fold", "ProtocolSpec", "plan_folds"]
