from io import StringIO

from rich.console import Console
from rich.progress import Progress

from crosstone.cli import progress as module
from crosstone.cli.progress import Bars


def test_lines_tell_the_time_left(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    show = Bars(Progress(console=Console(file=StringIO(), force_terminal=False)))
    for done, at in ((50, 0.0), (51, 5.0), (60, 20.0), (100, 100.0)):
        now[0] = 1000.0 + at
        show("training", done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "training: 50/100",
        "training: 60/100, 0:01:20 left",
        "training: 100/100",
    ]
