"""Steps are done once, after what they need; what fails takes with it only what needs it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from crosstone.errors import CrosstoneError
from crosstone.studies.execution import do_step, execute
from crosstone.studies.plan import DONE, is_done
from crosstone.studies.steps import Step


@dataclass(frozen=True)
class Note(Step):
    """Leaves the titles of what it needs; one without a word fails."""

    after: tuple["Note", ...] = ()

    @property
    def needs(self) -> tuple[Step, ...]:
        return self.after

    @property
    def kind(self) -> str:
        return "note"

    @property
    def key(self) -> str:
        return f"{self.title:x<12}"

    def fill(self, root, progress):
        if self.title == "killed":
            os._exit(9)
        if self.title == "bad":
            raise CrosstoneError("bad: expected a word, found none; write one")
        times = self.folder(root) / "times"
        times.write_text((times.read_text() if times.exists() else "") + "once ")
        said = [need.title for need in self.after]
        (self.folder(root) / "said.json").write_text(json.dumps(said))


def test_a_step_is_done_once_and_says_what_it_took(tmp_path):
    step = Note("first")
    assert not is_done(step, tmp_path)
    folder = do_step(step, tmp_path, None)
    assert folder == tmp_path / "steps" / "note-firstxxxxxxx"
    assert do_step(step, tmp_path, None) == folder
    assert (folder / "times").read_text() == "once "
    said = json.loads((folder / DONE).read_text())
    assert said["title"] == "first"
    assert said["seconds"] >= 0
    assert is_done(step, tmp_path)


def test_a_step_is_refused_before_what_it_needs(tmp_path):
    with pytest.raises(
        CrosstoneError, match=r"later: expected what it needs to be done, found not: first \(note-"
    ):
        do_step(Note("later", (Note("first"),)), tmp_path, None)


def test_what_fails_takes_with_it_only_what_needs_it(tmp_path):
    first, bad = Note("first"), Note("bad")
    both = Note("both", (first, bad))
    after = Note("after", (both,))
    last = Note("last", (first,))
    with pytest.raises(CrosstoneError, match=r"study: 1 of 5 steps failed.*bad \(note-badxx.*wri"):
        execute([first, bad, both, after, last], tmp_path, jobs=1)
    assert [is_done(s, tmp_path) for s in (first, bad, both, after, last)] == [
        *(True, False, False, False, True)
    ]
    assert json.loads((last.folder(tmp_path) / "said.json").read_text()) == ["first"]


def test_a_process_that_is_killed_is_told_in_a_sentence(tmp_path):
    with pytest.raises(CrosstoneError, match=r"a process ended at 'killed' before .* --jobs 1"):
        execute([Note("killed")], tmp_path, jobs=1)


def test_nothing_is_started_where_all_is_done(tmp_path):
    do_step(Note("first"), tmp_path, None)
    execute([Note("first")], tmp_path, jobs=1)
    assert (Note("first").folder(tmp_path) / "times").read_text() == "once "


def test_folders_are_named_by_content_not_by_title(tmp_path: Path):
    from crosstone.studies.steps import Made

    one, other = Made("a", "twokey", {"seed": 0}), Made("b", "twokey", {"seed": 0})
    assert one.folder(tmp_path) == other.folder(tmp_path)
    assert one.folder(tmp_path) != Made("a", "twokey", {"seed": 1}).folder(tmp_path)
