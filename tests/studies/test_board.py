"""The claim board, on answers that can be counted by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.reports.comparison import System, read_systems
from crosstone.studies.board import Entry, num_comparisons, try_claims
from crosstone.studies.study import POINT, Claim, Study
from crosstone.studies.study import System as Training

MakeArm = Callable[..., Path]
FEW = (12, 10, 11, 9, 12, 10, 11, 9, 12, 10, 11, 9)
"""Right of 20, by speaker."""
MORE = tuple(n + 4 + k % 2 for k, n in enumerate(FEW))
ODD = tuple(n + (3 if k % 2 else -3) for k, n in enumerate(FEW))


def systems_of(*folders: Path) -> dict[str, System]:
    return {s.name: s for s in read_systems(folders, replicates=500)}


def claim(first: str, *over: str, **more: object) -> Claim:
    return Claim(
        sentence=f"{first} is better",
        source="ours",
        where="ours",
        first=first,
        over=over,
        **more,  # type: ignore[arg-type]
    )


def tried(claims: Sequence[Claim], systems: dict[str, System]) -> tuple[Entry, ...]:
    trained = tuple(Training(name=name, family=name) for name in (*systems, "CTAL"))
    study = Study(name="s", shows="", source="ours", systems=trained, claims=tuple(claims))
    return try_claims(study, systems, {"CTAL": "no recipe trains it here"})


def test_a_claim_holds_where_every_speaker_gains(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW))
    up, down = tried([claim("more", "few"), claim("few", "more")], systems)
    (one,) = up.tried
    assert up.outcome == "held"
    assert one.effect.value == pytest.approx(4.5 / 20)
    assert one.p == pytest.approx(2 / 2**12)  # all twelve signs alike, of all exchanges
    assert one.p_corrected == pytest.approx(one.p)  # the other way round it is the same test
    assert (one.metric, one.by, one.clusters) == ("ua", "speaker", 12)
    assert down.outcome == "did not hold"
    assert down.tried[0].effect.value == pytest.approx(-4.5 / 20)


def test_what_spreads_around_nothing_is_not_decided(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("odd", ODD), make_arm("few", FEW))
    (entry,) = tried([claim("odd", "few")], systems)
    effect = entry.tried[0].effect
    assert effect.low < 0 < POINT < effect.high
    assert entry.outcome == "not decided"


def test_an_effect_below_a_point_is_no_gain(make_arm: MakeArm) -> None:
    same = systems_of(make_arm("one", FEW), make_arm("other", FEW))
    (entry,) = tried([claim("one", "other")], same)
    assert entry.tried[0].effect.high < POINT
    assert entry.outcome == "did not hold"


def test_less_is_better_where_the_metric_says_so(make_arm: MakeArm) -> None:
    near, far = make_arm("near", MORE, value=True), make_arm("far", FEW, value=True)
    systems = systems_of(near, far)
    (entry,) = tried([claim("near", "far")], systems)
    assert systems["near"].headline.value < systems["far"].headline.value
    assert entry.tried[0].metric == "mae"
    assert entry.tried[0].effect.value == pytest.approx(0.8 * 4.5 / 20)
    assert entry.outcome == "held"


def test_a_margin_below_nothing_asks_only_not_to_be_worse(make_arm: MakeArm) -> None:
    barely = tuple(n + (1 if k == 0 else 0) for k, n in enumerate(FEW))
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW), make_arm("barely", barely))
    alike, worse, gain, great = tried(
        [
            claim("few", "barely", by=-0.02),
            claim("few", "more", by=-0.02),
            claim("more", "few", by=0.1),
            claim("more", "few", by=0.4),
        ],
        systems,
    )
    assert alike.outcome == "held"
    assert alike.tried[0].effect.value < 0
    assert alike.tried[0].test == "drawing 12 speakers, against an effect of -0.02"
    assert alike.tried[0].p == pytest.approx(2 / 501)
    assert worse.outcome == "did not hold"
    assert gain.outcome == "held"
    assert great.outcome == "did not hold"


def test_of_several_all_must_hold(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW), make_arm("odd", ODD))
    both, one, two = tried(
        [claim("more", "few", "odd"), claim("few", "odd", "more"), claim("odd", "few", "few")],
        systems,
    )
    assert [t.over for t in both.tried] == ["few", "odd"]
    assert both.outcome == "held"
    assert one.outcome == "did not hold"  # undecided against odd, worse than more
    assert two.outcome == "not decided"


def test_holm_counts_every_comparison_of_the_board(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW))
    alone = tried([claim("more", "few")], systems)[0].tried[0]
    others = [claim("more", "few", by=-0.02 - k / 1e4) for k in range(199)]
    many = tried([claim("more", "few"), *others], systems)
    assert many[0].tried[0].p_corrected == pytest.approx(200 * alone.p)
    assert {entry.outcome for entry in many} == {"not decided"}
    assert many[0].remarks == ("cannot be told with 12 speakers: the least corrected p is 0.0977",)
    assert num_comparisons(many) == 200


def test_holm_counts_a_comparison_once_however_often_it_is_asked(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW), make_arm("odd", ODD))
    asked = [
        claim("more", "few"),
        claim("few", "more"),
        claim("more", "few", metric="ua"),
        claim("more", "few", "odd"),
        claim("more", "few", metric="wa"),
    ]
    found = tried(asked, systems)
    assert num_comparisons(found) == 3  # more and few in UA and in WA, more and odd
    (up,), (down,), (named,), (again, _), _ = (entry.tried for entry in found)
    assert up.p_corrected == down.p_corrected == named.p_corrected == again.p_corrected
    assert up.p_corrected == pytest.approx(3 * up.p)


def test_no_p_is_trusted_below_what_was_drawn(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE + MORE[:4]), make_arm("few", FEW + FEW[:4]))
    (entry,) = tried([claim("more", "few")], systems)
    (one,) = entry.tried
    assert one.test == "exchanging 16 speakers between the two in 10,000 drawn ways"
    assert one.least_p == pytest.approx(1 / 10_001)  # of 65,536 exchanges
    assert one.p >= one.least_p


def test_few_speakers_cannot_tell(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE[:5]), make_arm("few", FEW[:5]))
    (entry,) = tried([claim("more", "few")], systems)
    assert entry.outcome == "not decided"
    assert entry.remarks == ("cannot be told with 5 speakers: the least corrected p is 0.0625",)


def test_what_was_not_trained_is_not_tried(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW))
    (entry,) = tried([claim("CTAL", "few")], systems)
    assert (entry.outcome, entry.tried) == ("not tried", ())
    assert entry.remarks == ("CTAL: no recipe trains it here",)


def test_other_questions_are_not_compared(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW[:6]))
    (entry,) = tried([claim("more", "few")], systems)
    assert entry.outcome == "not tried"
    assert entry.remarks == (
        "more and few are not paired: 120 of 240 items were scored for one of them only",
    )


def test_a_claim_of_a_metric_is_tried_in_no_other(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE), make_arm("few", FEW))
    known, unknown = tried(
        [claim("more", "few", metric="wa"), claim("more", "few", metric="mae")], systems
    )
    assert (known.tried[0].metric, known.remarks) == ("wa", ())
    assert (unknown.outcome, unknown.tried) == ("not tried", ())
    assert unknown.remarks == ("the claim is of MAE, which is not measured here",)


def test_a_system_above_a_ceiling_of_its_corpus(make_arm: MakeArm) -> None:
    bounds = {"ceilings": {"additive_best": 0.6, "joint": 0.99}}
    systems = systems_of(make_arm("more", MORE, corpus=bounds), make_arm("few", FEW))
    above = Claim(sentence="-", source="-", where="ours", first="more", ceiling="additive_best")
    below = Claim(sentence="-", source="-", where="ours", first="more", ceiling="joint")
    unstated = Claim(sentence="-", source="-", where="ours", first="few", ceiling="joint")
    held, not_held, unknown = tried([above, below, unstated], systems)
    accuracy = sum(MORE) / 20 / len(MORE)
    assert held.outcome == "held"
    assert held.tried[0].metric == "wa"
    assert held.tried[0].effect.value == pytest.approx(accuracy - 0.6)
    assert held.tried[0].over == "the exact ceiling of additive_best, 0.600"
    assert not_held.outcome == "did not hold"
    assert unknown.outcome == "not tried"
    assert unknown.remarks == ("few: its corpus states no ceiling 'joint'",)


def test_one_cluster_has_no_interval(make_arm: MakeArm) -> None:
    systems = systems_of(make_arm("more", MORE[:1]), make_arm("few", FEW[:1]))
    unit = {name: s.scores.clusters.by for name, s in systems.items()}
    assert unit == {"more": "item", "few": "item"}
    (entry,) = tried([claim("more", "few")], systems)
    assert entry.tried[0].by == "item"


def of_seeds(make_arm: MakeArm, name: str, right: Sequence[int]) -> Path:
    """A run set whose second seed gets two more of the twenty right, and whose third four."""
    folders = [
        make_arm(name, [n + 2 * seed for n in right], folder=f"{name}-{seed}", seeds=(seed,))
        for seed in range(3)
    ]
    whole = make_arm(name, right)
    lines = [(folder / "predictions.jsonl").read_text() for folder in folders]
    (whole / "predictions.jsonl").write_text("\n".join(lines))
    return whole


def test_rules_that_read_one_training_share_its_seeds(make_arm: MakeArm) -> None:
    """Both are better by as much in every seed, however the seeds differ."""
    more, few = (of_seeds(make_arm, name, right) for name, right in (("more", MORE), ("few", FEW)))
    systems = systems_of(more, few)
    read = [Training(name=name, rule=rule) for name, rule in (("more", "last"), ("few", "nested"))]
    apart = [replace(read[0], family="mult"), read[1]]
    widths = []
    for trained in (read, apart):
        assert trained[0].shares_training(trained[1]) == (trained is read)
        study = Study(
            name="s",
            shows="",
            source="ours",
            systems=tuple(trained),
            claims=(claim("more", "few"),),
        )
        (entry,) = try_claims(study, systems, {})
        widths.append(entry.tried[0].effect.high - entry.tried[0].effect.low)
    assert widths[0] < widths[1]


@pytest.mark.parametrize(
    ("printed", "by", "smallest"),
    [
        (0.0, 0.0, 0.01),
        (0.017, 0.0, 0.01),
        (0.001, 0.0, 0.001),
        (0.001, 0.035, 0.035),
        (0.001, -0.01, -0.01),
    ],
)
def test_a_gain_is_a_point_or_what_the_paper_prints(
    printed: float, by: float, smallest: float
) -> None:
    asked = claim("a", "b", theirs="Acc2 .866; but MAE .496 → .502", printed=printed, by=by)
    assert asked.smallest == smallest


def test_a_system_above_chance(make_arm: MakeArm) -> None:
    half = tuple(10 for _ in FEW)
    systems = systems_of(make_arm("more", MORE), make_arm("half", half))
    above, at = tried([claim("more", ceiling="chance"), claim("half", ceiling="chance")], systems)
    assert above.outcome == "held"
    assert above.tried[0].over == "chance, 0.500"
    assert above.tried[0].metric == "ua"
    assert above.tried[0].effect.value == pytest.approx(systems["more"].headline.value - 0.5)
    assert at.outcome == "did not hold"
    assert at.tried[0].effect.value == pytest.approx(0)
