"""Codebooks and codewords of a corpus: running an encoder, or MFCC, over its recordings."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosstone.data.audio import read_audio
from crosstone.data.codebook import Codebook, Codes, fit_codebook
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.models.towers import Tower, audio_tower
from crosstone.nn.encoders import AudioEncoder, frame_stride
from crosstone.nn.features import MFCC
from crosstone.sequence import Sequence

Progress = Callable[[int, int], None]
Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]


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
    `stride` samples, as HuBERT's first iteration. sample: share of the utterances that is heard.
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
    made_by |= {"corpus": corpus.name, "corpus_hash": corpus.hash, "sample": sample, "seed": seed}
    features_of = _features(made_by)
    frames = np.concatenate(
        [features_of(audio) for audio in _audio(corpus, rows, made_by["sampling_rate"], progress)]
    )
    if len(frames) > max_frames:
        frames = frames[np.sort(rng.permutation(len(frames))[:max_frames])]
    codebook = fit_codebook(frames, num_codes, made_by, seed=seed, max_iter=max_iter)
    codebook.save(path)
    return codebook


def codes_of(corpus: Corpus, codebook: Codebook, progress: Progress | None = None) -> Codes:
    """The codewords of every recording in a corpus's folder, kept beside its manifest."""
    whole = Corpus.open(corpus.folder)
    path = corpus.folder / "codes" / f"{codebook.hash}.safetensors"
    kept = Codes.load(path, corpus=whole.hash, codebook=codebook.hash)
    if kept is not None:
        return kept
    features_of = _features(codebook.made_by)
    codes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(whole)
    rows = np.array([i for i, u in enumerate(whole) if u.audio], dtype=np.int64)
    recordings = _audio(whole, rows, int(codebook.made_by["sampling_rate"]), progress)
    for row, audio in zip(rows, recordings, strict=True):
        codes[int(row)] = codebook.assign(features_of(audio))
    gathered = Codes.gather(codes, codebook.stride)
    gathered.save(path, corpus=whole.hash, codebook=codebook.hash)
    return gathered


def _audio(
    corpus: Corpus, rows: NDArray[np.int64], rate: int, progress: Progress | None
) -> Iterator[NDArray[np.float32]]:
    for done, row in enumerate(rows, start=1):
        utterance = corpus[int(row)]
        path = corpus.audio_path(utterance)
        assert path is not None
        yield read_audio(path, start=utterance.start, end=utterance.end, sampling_rate=rate)
        if progress is not None:
            progress(done, len(rows))


def _features(made_by: Any) -> Features:
    """What turns a waveform into the frames that a codebook was fitted on."""
    if made_by["features"] == "mfcc":
        mfcc = MFCC(int(made_by["sampling_rate"]), int(made_by["stride"]))
        return lambda audio: mfcc(torch.from_numpy(audio)).numpy()
    tower = audio_tower(made_by["features"])
    if _weights_hash(tower) != made_by["weights"]:
        raise ConfigError(
            f"codebook: the encoder in {made_by['features']} is no longer the one that it was "
            "fitted on; restore it or fit the codebook again"
        )
    assert tower.weights is not None
    encoder = AudioEncoder(
        tower.config, layer=made_by["layer"], normalize=tower.normalize, freeze="all"
    ).eval()
    encoder.model.load_state_dict(tower.weights)

    @torch.inference_mode()
    def encode(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        states: NDArray[np.float32] = (
            encoder(Sequence.pad([torch.from_numpy(audio)])).values[0].numpy()
        )
        return states

    return encode


def _weights_hash(tower: Tower) -> str:
    digest = hashlib.sha256(repr(sorted(tower.config.to_dict().items(), key=str)).encode())
    for name, tensor in sorted((tower.weights or {}).items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
