"""Where the files of a raw copy lie, whatever its folders are called."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosstone.errors import CorpusError

SOUNDS = (".wav", ".flac")


@dataclass
class Tree:
    """The files under a folder that a preparation may want, found in one walk."""

    root: Path
    recordings: dict[str, Path] = field(default_factory=dict)
    """Stem → recording; of several the one in a folder named Full, then the highest up."""
    transcripts: dict[str, Path] = field(default_factory=dict)
    """Stem → transcript of segments; of several the one in a folder named Segmented."""
    sequences: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    folds: list[Path] = field(default_factory=list)

    def one(self, kind: str, paths: Sequence[Path], given: Path | str | None) -> Path | None:
        """The file that was given, or the only one found; raises CorpusError where there are more.

        given: an absolute path, or one from here or from the root.
        """
        if given is not None:
            return next((p for p in (Path(given), self.root / given) if p.exists()), Path(given))
        if len(paths) > 1:
            listed = ", ".join(path.relative_to(self.root).as_posix() for path in paths)
            raise CorpusError(
                f"{self.root}: expected one file of {kind}, found {len(paths)}: {listed}; name one "
                f"with --set {kind}=FILE"
            )
        return paths[0] if paths else None


def walk(root: Path, *, transcripts: str) -> Tree:
    """The files of a raw copy; transcripts: how the names of its segmented transcripts end."""
    if not root.is_dir():
        raise CorpusError(f"{root}: expected the folder of the raw corpus, found no folder")
    tree = Tree(root)
    paths = [
        Path(folder) / name
        for folder, _, names in os.walk(root)
        for name in names
        if not name.startswith("._")  # what macOS leaves on foreign disks
    ]
    for path in sorted(paths, key=lambda path: (len(path.parts), path.as_posix())):
        suffix = path.suffix.lower()
        if suffix in SOUNDS:
            _prefer(tree.recordings, path, "full")
        elif suffix == transcripts:
            _prefer(tree.transcripts, path, "segmented")
        elif suffix == ".csd":
            tree.sequences.append(path)
        elif suffix == ".csv":
            tree.tables.append(path)
        elif path.name.endswith("_std_folds.py") or path.name.endswith("folds.json"):
            tree.folds.append(path)
    return tree


def _prefer(found: dict[str, Path], path: Path, folder: str) -> None:
    known = found.setdefault(path.stem, path)
    if _is_in(path, folder) and not _is_in(known, folder):
        found[path.stem] = path


def _is_in(path: Path, folder: str) -> bool:
    return folder in (part.lower() for part in path.parts)
