"""Codewords of speech frames: k-means centres, and the labels they give.

Arrays in, arrays out: running an encoder over a corpus is the work of runs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.cluster import MiniBatchKMeans

from crosstone.errors import CheckpointError, CorpusError
from crosstone.files import whole

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Codebook:
    """K centres and what made them."""

    centres: Array
    """(K, D)."""

    made_by: Mapping[str, Any]
    """Features (mfcc or an encoder), layer, stride in samples, sampling rate, corpus, seed."""

    heard: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(M,) fingerprints of the utterances that it was fitted on; none where it does not say."""

    @property
    def stride(self) -> int:
        """Samples from one labelled frame to the next."""
        return int(self.made_by["stride"])

    @property
    def hash(self) -> str:
        """Sixteen hex digits of the centres, of what made them and of what was heard."""
        made_by = json.dumps(dict(self.made_by), sort_keys=True).encode()
        content = self.centres.tobytes() + made_by + self.heard.tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def assign(self, features: Array) -> NDArray[np.int64]:
        """The nearest centre of each frame, (T, D) → (T,), by |x|² − 2xC + |C|²."""
        if features.shape[1] != self.centres.shape[1]:
            raise CorpusError(
                f"codebook {self.hash}: expected features of width {self.centres.shape[1]}, found "
                f"{features.shape[1]}; use the encoder and layer that it was fitted on"
            )
        distances = (
            np.square(features).sum(1, keepdims=True)
            - 2 * features @ self.centres.T
            + np.square(self.centres).sum(1)
        )
        return np.asarray(distances.argmin(1), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write centres and what made them as safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"made_by": json.dumps(dict(self.made_by)), "hash": self.hash}
        save_file({"centres": self.centres, "heard": self.heard}, path, metadata)

    @classmethod
    def load(cls, path: Path | str) -> "Codebook":
        """The codebook of a file; CheckpointError where it is none or was altered."""
        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                heard = {"heard": file.get_tensor("heard")} if "heard" in file.keys() else {}  # noqa: SIM118
                codebook = cls(file.get_tensor("centres"), json.loads(metadata["made_by"]), **heard)
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{path}: no such codebook; make one with crosstone codebook"
            ) from error
        except Exception as error:  # safetensors raises its own type for anything malformed
            raise CheckpointError(
                f"{path}: expected a codebook in safetensors with 'centres' and 'made_by', found "
                f"something else ({error}); make one with crosstone codebook"
            ) from error
        if codebook.hash != metadata.get("hash"):
            raise CheckpointError(
                f"{path}: its centres hash to {codebook.hash}, its header says "
                f"{metadata.get('hash')}; the file was altered, make it again"
            )
        return codebook


def fit_codebook(
    features: Array,
    num_codes: int,
    made_by: Mapping[str, Any],
    *,
    seed: int = 0,
    max_iter: int = 100,
    num_starts: int = 1,
) -> Codebook:
    """Mini-batch k-means over frames (M, D).

    The options are those of fairseq's learn_kmeans (k-means++, batches of 10,000, no tolerance, 100
    batches without improvement, no reassignment), but for one start instead of 20. Raises
    CorpusError where there are fewer frames than codewords.
    """
    if len(features) < num_codes:
        raise CorpusError(
            f"codebook: expected at least {num_codes} frames for {num_codes} codewords, found "
            f"{len(features)}; sample more utterances or ask for fewer codewords"
        )
    kmeans = MiniBatchKMeans(
        num_codes,
        init="k-means++",
        max_iter=max_iter,
        batch_size=10_000,
        tol=0.0,
        max_no_improvement=100,
        n_init=num_starts,
        reassignment_ratio=0.0,
        compute_labels=False,
        random_state=seed,
    )
    kmeans.fit(features)
    return Codebook(kmeans.cluster_centers_.astype(np.float32), dict(made_by))


class Codes:
    """Codewords of every utterance of a corpus folder, by row, kept beside its manifest."""

    def __init__(self, codes: NDArray[np.int32], offsets: NDArray[np.int64], stride: int) -> None:
        self._codes, self._offsets = codes, offsets
        self.stride = stride

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        """Codewords of the utterance on that row of the file, (T,); none where it has no audio."""
        return self._codes[self._offsets[row] : self._offsets[row + 1]].astype(np.int64)

    @classmethod
    def gather(cls, rows: Sequence[NDArray[np.int64]], stride: int) -> "Codes":
        """The codes of all rows of a corpus in one array."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = np.concatenate(rows) if rows else np.zeros(0)
        return cls(flat.astype(np.int32), offsets, stride)

    def every(self, stride: int) -> "Codes":
        """The same codes read at another frame rate.

        Raises CorpusError where the other stride is not a multiple of the codes' own.
        """
        step, rest = divmod(stride, self.stride)
        if rest or not step:
            raise CorpusError(
                f"codes every {self.stride} samples cannot label frames every {stride} samples; "
                f"fit the codebook with a stride that divides {stride}"
            )
        if step == 1:
            return self
        return Codes.gather([self[row][::step] for row in range(len(self))], stride)

    def save(self, path: Path, *, corpus: str, codebook: str) -> None:
        """Write the codes with the hashes of the corpus and the codebook that they belong to."""
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"corpus": corpus, "codebook": codebook, "stride": str(self.stride)}
        with whole(path) as temporary:
            save_file({"codes": self._codes, "offsets": self._offsets}, temporary, metadata)

    @classmethod
    def load(cls, path: Path, *, corpus: str, codebook: str) -> "Codes | None":
        """The codes of a file, or None where it is missing or belongs to other hashes."""
        if not path.is_file():
            return None
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            if (metadata["corpus"], metadata["codebook"]) != (corpus, codebook):
                return None
            stride = int(metadata["stride"])
            return cls(file.get_tensor("codes"), file.get_tensor("offsets"), stride)
