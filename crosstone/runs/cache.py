"""The states of a recipe's frozen encoders, made once and kept: how much there is to make, and
making it."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray

from crosstone.data.batch import Items
from crosstone.data.cache import SHARD_BYTES, ShardWriter, StateStore, clear_abandoned
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.nn.encoders import AudioEncoder, Encoder
from crosstone.protocols import plan_folds
from crosstone.runs.assembly import assemble
from crosstone.runs.corpora import open_corpus, sounds_of
from crosstone.runs.items import make_items
from crosstone.runs.processes import join_processes
from crosstone.runs.recipe import Recipe
from crosstone.runs.run import Progress
from crosstone.runs.runset import inits_of
from crosstone.runs.states import frozen_towers, states_made_by, tower_of
from crosstone.sequence import Sequence

DEFAULT_FOLDER = "states"
"""Beside the manifest of the corpus, where no other place is named."""
_BATCH_PLACES = {"audio": 64 * 16_000, "text": 8_192}
"""Samples or tokens, padded ones too, that an encoder takes at once."""
_BATCH_ITEMS = 64
_HEADERS = 1024
"""Recordings that are measured between two looks at the progress."""
_MARGIN = 2**26
"""Bytes that are left free on the disk."""


@dataclass(frozen=True, eq=False)
class Filling:
    """What one encoder still has to make."""

    made_by: dict[str, Any]
    encoder: Encoder
    items: Items
    rows: NDArray[np.int64]
    """(M,) items whose states are missing, the longest first; of equal content the first alone."""
    lengths: NDArray[np.int64]
    """(M,) samples or tokens of each."""
    num_states: int
    """Frames or tokens that they become."""
    num_there: int
    """Entries that the corpus needs and the cache has."""

    @property
    def modality(self) -> str:
        """audio or text."""
        return str(self.made_by["modality"])

    @property
    def num_bytes(self) -> int:
        """What the missing states take on the disk, the index of 20 bytes an entry included."""
        width, size = int(self.made_by["width"]), np.dtype(self.made_by["dtype"]).itemsize
        return self.num_states * width * int(size) + 20 * len(self.rows)

    def batches(self) -> Iterator[NDArray[np.int64]]:
        """Positions in `rows` that are encoded together, alike in length."""
        start, most = 0, _BATCH_PLACES[self.modality]
        while start < len(self.rows):
            count = int(most // max(1, self.lengths[start]))
            end = start + min(max(1, count), _BATCH_ITEMS)
            yield np.arange(start, min(end, len(self.rows)))
            start = end


@dataclass(frozen=True)
class CachePlan:
    """What a cache lacks for a recipe."""

    root: Path
    fillings: list[Filling]

    @property
    def num_bytes(self) -> int:
        """What it takes on the disk."""
        return sum(filling.num_bytes for filling in self.fillings)

    @property
    def free_bytes(self) -> int:
        """What the disk has left."""
        place = self.root.absolute()
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free


def plan_cache(
    recipe: Recipe, root: Path | None = None, *, progress: Progress | None = None
) -> CachePlan:
    """What the frozen encoders of a recipe have to make for its corpus, counted by headers and
    tokens.

    root: by default what the recipe names, or a folder beside the corpus. Raises ConfigError where
    no encoder is frozen.
    """
    if not join_processes(cpu=recipe.training.cpu).is_main_process:
        progress = None
    named = recipe.data.encoder_cache
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, encoder_cache=None))
    corpus, _ = open_corpus(recipe, progress)
    if recipe.protocol is not None:
        corpus = plan_folds(corpus, recipe.protocol).corpus
    if root is None:
        root = Path(named) if named is not None else corpus.folder / DEFAULT_FOLDER
    fillings: dict[str, Filling] = {}
    for init in dict.fromkeys(inits_of(recipe).all):
        for filling in _fillings(recipe, corpus, init, root, progress):
            fillings.setdefault(str(sorted(filling.made_by.items())), filling)
    PartialState().wait_for_everyone()  # all have counted the same before the first one writes
    return CachePlan(root, list(fillings.values()))


def fill_cache(
    plan: CachePlan, *, shard_bytes: int = SHARD_BYTES, progress: Progress | None = None
) -> None:
    """Run the encoders over what is missing, each process over its share; finished shards count.

    Raises ConfigError where the disk has not enough room, CrosstoneError where the states exceed
    the precision that they are kept in.
    """
    state = PartialState()
    if (needed := plan.num_bytes + _MARGIN) > plan.free_bytes:
        raise ConfigError(
            f"{plan.root}: expected {needed / 2**30:.1f} GiB of free disk, found "
            f"{plan.free_bytes / 2**30:.1f} GiB; make room or choose another --out"
        )
    if state.is_main_process:
        clear_abandoned(plan.root)
    else:
        progress = None
    for filling in plan.fillings:
        _fill(plan.root, filling, state, shard_bytes, progress)
    state.wait_for_everyone()


def _fillings(
    recipe: Recipe, corpus: Corpus, init: Path | None, root: Path, progress: Progress | None
) -> Iterator[Filling]:
    assembly = assemble(recipe, corpus, init, recipe.seeds[0])
    backbone = assembly.model.backbone
    modalities = frozen_towers(recipe, backbone)
    sounds = sounds_of(corpus) if "audio" in modalities else None
    items = make_items(recipe, assembly, corpus, targets=[], cache_mib=0, sounds=sounds)
    for modality in modalities:
        made_by = states_made_by(recipe.data, backbone, modality)
        encoder = tower_of(backbone, modality)
        assert encoder is not None
        keys = items.keys(modality)
        rows = np.array(np.unique(keys, return_index=True)[1], np.int64)
        rows = rows[keys[rows] != 0]
        missing = rows[~StateStore(root, made_by).holds(keys[rows])]
        lengths = _lengths(items, modality, missing, progress)
        order = np.argsort(-lengths, kind="stable")
        yield Filling(
            made_by,
            encoder,
            items,
            rows=missing[order],
            lengths=lengths[order],
            num_states=_num_states(encoder, lengths),
            num_there=len(rows) - len(missing),
        )


def _lengths(
    items: Items, modality: str, rows: NDArray[np.int64], progress: Progress | None
) -> NDArray[np.int64]:
    if modality == "text":
        return np.array([len(items.tokens(row)) for row in rows.tolist()], np.int64)
    lengths = np.zeros(len(rows), np.int64)
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(rows), _HEADERS):
            some = rows[start : start + _HEADERS].tolist()
            lengths[start : start + len(some)] = list(pool.map(items.recordings.num_samples, some))
            if progress is not None:
                progress("reading headers", start + len(some), len(rows))
    return lengths


def _num_states(encoder: Encoder, lengths: NDArray[np.int64]) -> int:
    if not isinstance(encoder, AudioEncoder):
        return int(lengths.sum())
    samples = torch.from_numpy(lengths).clamp(min=encoder.min_samples)
    return int(encoder.num_frames(samples).sum())


@torch.no_grad()
def _fill(
    root: Path,
    filling: Filling,
    state: PartialState,
    shard_bytes: int,
    progress: Progress | None,
) -> None:
    encoder = filling.encoder.eval().to(state.device)
    writer = ShardWriter(root, filling.made_by, shard_bytes=shard_bytes)
    keys = filling.items.keys(filling.modality)
    batches = list(filling.batches())[state.process_index :: state.num_processes]
    done, total = 0, sum(map(len, batches))
    with ThreadPoolExecutor() as pool:
        read = _reader(filling, pool)
        ahead = [read(batch) for batch in batches[:1]]
        for number, batch in enumerate(batches):
            inputs = ahead.pop()
            ahead += [read(following) for following in batches[number + 1 : number + 2]]
            states = encoder(Sequence.pad(inputs()).to(state.device))
            values, mask = states.values.float().cpu().numpy(), states.mask.cpu().numpy()
            for at, row in enumerate(filling.rows[batch].tolist()):
                writer.add(int(keys[row]), values[at][mask[at]])
            done += len(batch)
            if progress is not None:
                progress(f"{filling.modality} states", done, total)
    writer.flush()
    encoder.to("cpu")


def _reader(
    filling: Filling, pool: ThreadPoolExecutor
) -> Callable[[NDArray[np.int64]], Callable[[], list[torch.Tensor]]]:
    """What begins to read a batch in threads and gives what waits for it."""

    def read(batch: NDArray[np.int64]) -> Callable[[], list[torch.Tensor]]:
        futures = [pool.submit(_input, filling, row) for row in filling.rows[batch].tolist()]
        return lambda: [future.result() for future in futures]

    return read


def _input(filling: Filling, row: int) -> torch.Tensor:
    items = filling.items
    is_audio = filling.modality == "audio"
    return torch.from_numpy(items.recordings[row] if is_audio else items.tokens(row))
