"""twokey: a corpus made on the spot whose best possible scores are known exactly."""

from crosstone.data.corpora.twokey.preparation import prepare

__all__ = ["prepare"]
