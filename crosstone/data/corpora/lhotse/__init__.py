"""Lhotse cut sets, in and out: JSONL files of cuts with their recordings and supervisions.

Read and written as JSON, so that lhotse itself need not be installed; `shar` streams by it.
Paper: Żelasko, P. et al. (2021). Lhotse: a speech data representation library for the modern deep
learning ecosystem. arXiv:2110.12561. Licence and how to obtain a cut set: those of its corpus.
"""

from crosstone.data.corpora.lhotse.reading import prepare
from crosstone.data.corpora.lhotse.writing import Exported, write_cuts

__all__ = ["Exported", "prepare", "write_cuts"]
