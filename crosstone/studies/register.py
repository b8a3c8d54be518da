"""Every study by name."""

from collections.abc import Mapping
from types import MappingProxyType

from crosstone.errors import ConfigError
from crosstone.studies import cma, cmt, ctal, jbls, ours, robustness, transfer, worth
from crosstone.studies.study import Study

STUDIES: Mapping[str, Study] = MappingProxyType(
    {
        study.name: study
        for studies in (cmt, ctal, jbls, cma, ours, robustness, transfer, worth)
        for study in studies.STUDIES
    }
)


def named_study(name: str) -> Study:
    """The study of this name; ConfigError that lists all."""
    if name not in STUDIES:
        raise ConfigError(
            f"study: expected one of {', '.join(STUDIES)}, found '{name}'; `crosstone study list` "
            "says what each shows"
        )
    return STUDIES[name]
