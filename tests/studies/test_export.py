"""Numbers for other programs: what LaTeX and CSV must not misread."""

import math

import pytest

from crosstone.studies.export import as_csv, escape, p_value


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("50 % of R&D_x #1 ${a}$", r"50 \% of R\&D\_x \#1 \$\{a\}\$"),
        (r"a\b ~ x^2", r"a\textbackslash{}b \textasciitilde{} x\textasciicircum{}2"),
        ("−0.01 → .5 × 3, < α", r"$-$0.01 $\rightarrow$ .5 $\times$ 3, \textless{} $\alpha$"),
        ("“so … on”", r"``so \dots{} on''"),
    ],
)
def test_latex_prints_the_text(text: str, printed: str) -> None:
    assert escape(text) == printed


def test_csv_quotes_and_leaves_the_undefined_empty() -> None:
    rows = [{"a": "x, y", "b": math.nan}, {"a": 'say "z"', "b": 0.5}]
    assert as_csv(rows) == 'a,b\n"x, y",\n"say ""z""",0.5\n'
    assert as_csv([]) == ""


def test_p_in_words() -> None:
    assert [p_value(p) for p in (0.5, 0.0123, 0.0004, math.nan)] == ["0.5", "0.012", "< 0.001", "–"]
