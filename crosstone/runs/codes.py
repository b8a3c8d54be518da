"""Codebooks and codewords of a corpus: running an encoder, or MFCC, over its recordings."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosstone.data.audio import read_audio
from crosstone.data.batch import IGNORED, Batch
from crosstone.data.codebook import Codebook, Codes, fit_codebook
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.models.task import TaskOutput
from crosstone.models.towers import Tower, audio_tower
from crosstone.nn.encoders import AudioEncoder, frame_stride
from crosstone.nn.features import MFCC
from crosstone.objectives.base import Loss, Objective
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.provenance import CODEBOOK, Stage, stage_of, stages_of_encoders
from crosstone.sequence import Sequence

Progress = Callable[[int, int], None]
Features = Callable[[list[torch.Tensor]], list[NDArray[np.float32]]]

_CPU = torch.device("cpu")
_BATCH = 16
"""Recordings that an encoder hears at once."""


def make_codebook(
    corpus: Corpus,
    path: Path,
    *,
    encoder: str | None = None,
    layer: int | None = None,
    stride: int = 320,
    num_codes: int = 500,
    sample: float = 0.1,
    max_frames: int = 200_000,
    max_iter: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> Codebook:
    """Fit codewords on a sample of a corpus and write them to `path`.

    encoder: any speech encoder (with `layer`, 1-based, None its output); None clusters MFCC every
    `stride` samples, as HuBERT's first iteration. sample: share of the utterances that is heard;
    the file keeps their fingerprints, so that a later stage knows when it tests some of them.
    """
    if not 0 < sample <= 1:
        raise ConfigError(f"codebook: sample expects a share in (0, 1], found {sample}")
    with_audio = np.array([i for i, u in enumerate(corpus) if u.audio], dtype=np.int64)
    if not len(with_audio):
        raise CorpusError(f"{corpus.name}: expected recordings, found text only")
    rng = np.random.default_rng(seed)
    count = max(1, round(sample * len(with_audio)))
    rows = np.sort(rng.permutation(with_audio)[:count])
    made_by: dict[str, Any] = {"features": "mfcc", "stride": stride, "sampling_rate": 16_000}
    if encoder is not None:
        tower = audio_tower(encoder)
        if tower.weights is None:
            raise ConfigError(
                f"codebook: the built-in encoder '{encoder}' has random weights until a stage "
                "trains it; name the model folder of that stage, or leave it out for MFCC"
            )
        made_by = {
            "features": str(encoder),
            "layer": layer,
            "stride": frame_stride(tower.config),
            "sampling_rate": tower.sampling_rate,
            "weights": _weights_hash(tower),
        }
    heard = corpus.select(rows)
    stage = stage_of(
        CODEBOOK,
        heard,
        fingerprints_of(heard),
        encoders={"audio": str(encoder)} if encoder is not None else {},
        transductive=False,
        seed=seed,
    )
    made_by |= {"corpus": corpus.name, "corpus_hash": corpus.hash, "sample": sample, "seed": seed}
    made_by["stage"] = dict(stage.facts)
    frames = np.concatenate([found for _, found in _heard(corpus, rows, made_by, progress)])
    if len(frames) > max_frames:
        frames = frames[np.sort(rng.permutation(len(frames))[:max_frames])]
    codebook = fit_codebook(frames, num_codes, made_by, seed=seed, max_iter=max_iter)
    codebook = dataclasses.replace(codebook, heard=stage.fingerprints)
    codebook.save(path)
    return codebook


def stages_of_codebook(codebook: Codebook) -> list[Stage]:
    """What a codebook has heard, after the past of the encoder that made its features; nothing
    where its file is older than such records."""
    if "stage" not in codebook.made_by:
        return []
    features = str(codebook.made_by["features"])
    past = [] if features == "mfcc" else stages_of_encoders([features])
    return [*past, Stage(codebook.made_by["stage"], codebook.heard)]


def codes_of(corpus: Corpus, codebook: Codebook, progress: Progress | None = None) -> Codes:
    """The codewords of a corpus's recordings by row of its folder, kept beside its manifest.

    Rows outside a view have none.
    """
    path = corpus.folder / "codes" / f"{codebook.hash}-{corpus.hash}.safetensors"
    kept = Codes.load(path, corpus=corpus.hash, codebook=codebook.hash)
    if kept is not None:
        return kept
    codes = [np.zeros(0, np.int64)] * len(Corpus.open(corpus.folder))
    rows = np.array([i for i, u in enumerate(corpus) if u.audio], dtype=np.int64)
    for row, features in _heard(corpus, rows, codebook.made_by, progress):
        codes[int(corpus.base_indices[row])] = codebook.assign(features)
    gathered = Codes.gather(codes, codebook.stride)
    gathered.save(path, corpus=corpus.hash, codebook=codebook.hash)
    return gathered


class Labelling:
    """An objective whose batches of waveforms are given their codewords first.

    For what is heard as it is read, and so has no codewords that were made before. sampling_rate:
    of the waveforms; stride: samples between frames of the model; device: where an encoder of the
    codebook runs. Raises ConfigError and CorpusError where they do not go with the codebook.
    """

    def __init__(
        self,
        objective: Objective,
        codebook: Codebook,
        *,
        sampling_rate: int,
        stride: int,
        device: torch.device,
    ) -> None:
        if (expected := int(codebook.made_by["sampling_rate"])) != sampling_rate:
            raise ConfigError(
                f"codebook: expected recordings at {expected} Hz, on which it was fitted, found a "
                f"model that hears {sampling_rate}; fit one on what the model hears"
            )
        Codes.gather([], codebook.stride).every(stride)
        self.objective, self._codebook, self._stride = objective, codebook, stride
        self._features = _features(codebook.made_by, device)

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The labelled batch as the objective corrupts it."""
        return self.objective.corrupt(self._labelled(batch), seed=seed, epoch=epoch)

    def counts(self, batch: Batch) -> dict[str, float]:
        """The objective's counts."""
        return self.objective.counts(batch)

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """The objective's parts."""
        return self.objective(output, batch)

    def _labelled(self, batch: Batch) -> Batch:
        if batch.audio is None:
            return batch
        heard = batch.audio
        waves = [row[real] for row, real in zip(heard.values, heard.mask, strict=True)]
        rows = [self._codebook.assign(features) for features in self._features(waves)]
        codes = Codes.gather(rows, self._codebook.stride).every(self._stride)
        padded = Sequence.pad([torch.from_numpy(codes[i]) for i in range(len(rows))], IGNORED)
        return dataclasses.replace(batch, codes=padded.values)


def _heard(
    corpus: Corpus,
    rows: NDArray[np.int64],
    made_by: Mapping[str, Any],
    progress: Progress | None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(row, features (T, D)) of each recording, by length, so that what is batched is alike."""
    features_of = _features(made_by)
    lengths = np.nan_to_num(corpus.durations[rows])
    order = rows[np.argsort(lengths, kind="stable")]
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        recordings = []
        for row in batch:
            utterance = corpus[int(row)]
            path = corpus.audio_path(utterance)
            assert path is not None
            audio = read_audio(
                path,
                start=utterance.start,
                end=utterance.end,
                sampling_rate=int(made_by["sampling_rate"]),
            )
            recordings.append(torch.from_numpy(audio))
        yield from zip(map(int, batch), features_of(recordings), strict=True)
        if progress is not None:
            progress(min(start + _BATCH, len(order)), len(order))


def _features(made_by: Mapping[str, Any], device: torch.device = _CPU) -> Features:
    """What turns waveforms into the frames that a codebook was fitted on."""
    if made_by["features"] == "mfcc":
        mfcc = MFCC(int(made_by["sampling_rate"]), int(made_by["stride"]))
        return lambda recordings: [mfcc(audio).numpy() for audio in recordings]
    tower = audio_tower(made_by["features"])
    if _weights_hash(tower) != made_by["weights"]:
        raise ConfigError(
            f"codebook: the encoder in {made_by['features']} is no longer the one that it was "
            "fitted on; restore it or fit the codebook again"
        )
    assert tower.weights is not None
    try:
        encoder = AudioEncoder(
            tower.config, layer=made_by["layer"], normalize=tower.normalize, freeze="all"
        ).eval()
    except ValueError as error:
        raise ConfigError(f"codebook: {error}") from error
    encoder.model.load_state_dict(tower.weights)
    encoder.to(device)

    @torch.inference_mode()
    def encode(recordings: list[torch.Tensor]) -> list[NDArray[np.float32]]:
        states = encoder(Sequence.pad(recordings).to(device))
        rows = zip(states.values.cpu(), states.mask.cpu(), strict=True)
        return [row[real].numpy() for row, real in rows]

    return encode


def _weights_hash(tower: Tower) -> str:
    digest = hashlib.sha256(repr(sorted(tower.config.to_dict().items(), key=str)).encode())
    for name, tensor in sorted((tower.weights or {}).items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
