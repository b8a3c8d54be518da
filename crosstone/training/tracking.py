"""The log told to others too: TensorBoard and what else Accelerate knows how to tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from accelerate import Accelerator

from crosstone.errors import ConfigError


def check_trackers(names: Sequence[str]) -> None:
    """Raises ConfigError for a tracker that Accelerate does not know or that is not installed."""
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(map(str, LOGGER_TYPE_TO_CLASS))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"training.trackers: expected some of {', '.join(known)}, found {', '.join(unknown)}"
        )
    at_hand = list(map(str, get_available_trackers()))
    missing = [name for name in names if name not in at_hand]
    if missing:
        raise ConfigError(
            f"training.trackers: {', '.join(missing)} is not installed; "
            "pip install 'crosstone[track]' brings tensorboard, others come by their own name"
        )


def open_trackers(accelerator: Accelerator, about: Mapping[str, Any]) -> None:
    """Starts what Accelerate was built with, told the scalars of `about`."""
    config = {k: v for k, v in _flat(about).items() if isinstance(v, (bool, int, float, str))}
    accelerator.init_trackers("crosstone", config=config)


def track(accelerator: Accelerator, event: str, values: Mapping[str, Any]) -> None:
    """The numbers of a line of the log, each under event/name, at its step."""
    step = values.get("step")
    numbers = {
        f"{event}/{name}": value
        for name, value in _flat(values).items()
        if name != "step" and isinstance(value, (int, float))
    }
    if isinstance(step, int) and numbers:
        accelerator.log(numbers, step=step)


def close_trackers(accelerator: Accelerator) -> None:
    """Lets every tracker write what it holds; the processes stay a group, unlike in Accelerate's
    own end_training."""
    for tracker in accelerator.trackers:
        tracker.finish()


def _flat(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{at}{name}.") if isinstance(value, Mapping) else {at + name: value}
    return found
