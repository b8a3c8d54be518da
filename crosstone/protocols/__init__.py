"""Who trains, who tests, what is counted, and how the winner is chosen."""

from crosstone.protocols.base import Counts, ProtocolSpec
from crosstone.protocols.counts import describe_counts
from crosstone.protocols.folds import Fold, Plan, plan_folds
from crosstone.protocols.register import PROTOCOLS, alterations, named_protocol
from crosstone.protocols.trials import describe_trials, trials_of
from crosstone.protocols.view import View, labelled_view, protocol_view

__all__ = [
    "PROTOCOLS",
    "Counts",
    "Fold",
    "Plan",
    "ProtocolSpec",
    "View",
    "alterations",
    "describe_counts",
    "describe_trials",
    "labelled_view",
    "named_protocol",
    "plan_folds",
    "protocol_view",
    "trials_of",
]
