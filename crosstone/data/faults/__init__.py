"""Every fault of a corpus at once, what else its examination found, and what training does."""

from crosstone.data.faults.examination import Examination, examine, find_faults
from crosstone.data.faults.fault import (
    WHOLE_CORPUS,
    Fault,
    count_kinds,
    format_faults,
    refuse_faulty,
)
from crosstone.data.faults.inventory import brief, missing_counts
from crosstone.data.faults.kept import keep_examination, kept_examination

__all__ = [
    "WHOLE_CORPUS",
    "Examination",
    "Fault",
    "brief",
    "count_kinds",
    "examine",
    "find_faults",
    "format_faults",
    "keep_examination",
    "kept_examination",
    "missing_counts",
    "refuse_faulty",
]
