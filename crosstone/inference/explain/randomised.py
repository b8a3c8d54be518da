"""The same explanation of the same model without what it learned: it should look otherwise.

Model parameter randomisation (Adebayo et al. 2018, §3): an explanation that stays as it is when the
weights are random shows the input, not the model.
"""

import copy

import numpy as np
import torch
from scipy.stats import spearmanr

from crosstone.inference.explain.quantity import Floats
from crosstone.models.task import TaskModel


def shuffled(model: TaskModel, seed: int) -> TaskModel:
    """A copy in which the numbers of every weight have changed places among themselves."""
    generator = torch.Generator().manual_seed(seed)
    made = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in made.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order.to(parameter.device)].view_as(parameter))
    return made


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's, of what the same parts do in two explanations; None of fewer than three parts, or
    where one explanation makes no difference between them."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)
