"""The list of faults: what stands first, what is counted."""

from crosstone.data.faults import Fault, count_kinds, format_faults


def test_faults_are_formatted_errors_first():
    faults = [
        Fault("a", "empty-text", "warning", "one."),
        Fault("b", "silent", "error", "two."),
        Fault("c", "silent", "error", "three."),
    ]
    assert format_faults(faults).splitlines() == [
        "3 faults: 2 silent, 1 empty-text",
        "error [silent] b: two.",
        "error [silent] c: three.",
        "warning [empty-text] a: one.",
    ]
    assert format_faults(faults[:1]).startswith("1 fault: 1 empty-text")
    assert count_kinds(faults) == "2 silent, 1 empty-text"


def test_many_warnings_of_a_kind_are_counted_and_every_error_is_said() -> None:
    warnings = [Fault(f"w{i}", "no-audio", "warning", "has no audio") for i in range(30)]
    errors = [Fault(f"e{i}", "silent", "error", "is silent") for i in range(30)]
    said = format_faults([*warnings, *errors])
    assert said.count("error [silent]") == 30
    assert said.count("has no audio") == 10
    assert "warning [no-audio] and 20 more" in said
