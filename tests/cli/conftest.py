"""The command in this process, and corpora that its tests share."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # for doors and releases, the modules beside this one

from crosstone.cli import main

if TYPE_CHECKING:
    from crosstone.inference import Predictor


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


Crosstone = Callable[..., Ran]


@pytest.fixture
def crosstone(capfd: pytest.CaptureFixture[str]) -> Crosstone:
    """`crosstone("verb", …)` as a person would type it; exit code, standard output and error."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def twokey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spoken corpus under the easier law: 200 labelled utterances, 100 unlabelled, 200 texts."""
    from crosstone.data.corpora import CORPORA

    folder = tmp_path_factory.mktemp("corpora") / "twokey"
    CORPORA["twokey"](
        folder,
        folder,
        law="quadrants",
        labelled=200,
        unlabelled=100,
        text_only=200,
        speakers=50,
        unlabelled_speakers=10,
    )
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """any: hears, reads or both; both: needs both; reads: words alone."""
    from doors import save_model

    folder = tmp_path_factory.mktemp("models")
    kinds = {"any": ["audio", "audio+text", "text"], "both": ["audio+text"], "reads": ["text"]}
    return {name: save_model(folder / name, heard) for name, heard in kinds.items()}


@pytest.fixture(scope="session")
def predictors(models: dict[str, Path]) -> "dict[str, Predictor]":
    import crosstone as package

    return {name: package.load(str(folder)) for name, folder in models.items()}


@pytest.fixture(scope="session")
def release(
    tmp_path_factory: pytest.TempPathFactory, write_csd: Callable[..., Path]
) -> Callable[[str], Path]:
    """`release("meld")`: a small copy in the corpus's true format, as `prepare` is given it."""
    from releases import RELEASES

    folder = tmp_path_factory.mktemp("releases")
    written: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in written:
            written[name] = RELEASES[name](folder / name, write_csd)
        return written[name]

    return write
