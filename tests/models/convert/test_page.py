"""docs/weights.md names every option of every source."""

import dataclasses
from pathlib import Path

import pytest

from crosstone.models.convert import SOURCES

PAGE = Path(__file__).parents[3] / "docs" / "weights.md"


@pytest.mark.parametrize("source", SOURCES)
def test_every_option_is_on_the_page(source: str) -> None:
    rows = PAGE.read_text(encoding="utf-8").split(f"| `{source}` |")[1]
    own = rows.split("\n| `")[0].split("\n\n")[0]
    for field in dataclasses.fields(SOURCES[source].options):
        assert f"`{field.name}`" in own, field.name
