"""The command in this process, and a corpus that all its tests share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crosstone.cli import main


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
