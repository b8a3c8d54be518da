"""What crosstone says when it cannot go on: one sentence, one exit code."""


class CrosstoneError(Exception):
    """Input that cannot be used; the message says where, expected, found, and the remedy."""

    exit_code = 2


class ConfigError(CrosstoneError):
    """A recipe or an override that does not fit its declared fields."""


class CorpusError(CrosstoneError):
    """A corpus, table or label that cannot be used."""


class AudioError(CrosstoneError):
    """A recording that cannot be read or holds nothing to hear."""


class CheckpointError(CrosstoneError):
    """A model folder or training checkpoint that cannot be loaded."""


class CheckFailed(CrosstoneError):
    """A check that ran to its end and found faults."""

    exit_code = 1
