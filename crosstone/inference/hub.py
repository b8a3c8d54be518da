"""A model by its hub id: fetched once, then found on disk."""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from crosstone.errors import CheckpointError

_ID = re.compile(r"[\w.-]+/[\w.-]+")
_TAKEN = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What a model folder of ours holds; never anything that could be run."""


def fetched(source: Path | str) -> Path:
    """The folder of a model: the one named, or the copy of what the hub has under that id.

    Raises CheckpointError where neither is there.
    """
    folder = Path(source)
    if folder.exists() or not _ID.fullmatch(folder.as_posix()):
        return folder
    try:
        return Path(snapshot_download(folder.as_posix(), allow_patterns=list(_TAKEN)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"{source}: no model here (no such folder), and none fetched from the hub ({reason}); "
            "give a model folder or the id of a model that you may read"
        ) from error
