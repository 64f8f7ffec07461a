"""What every fix keeps: it removes its finding, brings no error, and touches nothing else, however the net is written.

Each BAD example of each rule is written in several manners, and each finding's fix is applied alone; then nets of
examples/ are damaged at random and all fixes are applied to a fixed point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from prototxt_grammar import Edit, apply_edits, parse
from prototxt_grammar.tree import Field, ListValue, Message
from prototxt_net.describe import describe
from prototxt_net.finding import Finding
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_all, fix_text
from prototxt_server.report.rule_examples import read_example
from prototxt_server.rules.base import Example, Rule
from prototxt_server.rules.catalogue import load_all

EXAMPLES = Path(__file__).parent.parent / "examples"
RULES = [rule for rule in load_all() if rule.fix_safety != "none"]


def lines_of(text: str) -> list[str]:
    """Lines with their ends, which are LF alone."""
    return text.split("\n")


def commented(text: str) -> str:
    """A comment in a line of its own before every line."""
    return "\n".join(f"# remark {number}: \"it's {{ here\n{line}" for number, line in enumerate(lines_of(text)))


def remarked(text: str) -> str:
    """A comment behind every line."""
    return "\n".join(f"{line} # remark {number}: \"it's {{ here" for number, line in enumerate(lines_of(text)))


def joined(text: str) -> str:
    """Each layer on one line."""
    return "\n".join(" ".join(block.split("\n")) for block in text.replace("\n}\n", " }\n\0").split("\0"))


MANNERS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "windows line ends": lambda text: text.replace("\n", "\r\n"),
    "tabs": lambda text: text.replace("  ", "\t"),
    "a comment before every line": commented,
    "a comment behind every line": remarked,
    "commas": lambda text: text.replace("\n  ", ",\n  ").replace("{,\n", "{\n"),
    "one line a layer": joined,
}
# These rules look at the text itself, comments included, so a manner may be the finding, or hide it.
TEXTUAL = ("SYN", "STY", "SUP", "DAT011")
PLAIN = ("as it is", "windows line ends", "tabs")
CASES = [
    pytest.param(rule, manner, id=f"{rule.code}-{manner}")
    for rule in RULES
    for manner in (PLAIN if rule.code.startswith(TEXTUAL) else MANNERS)
    if (rule.code, manner) != ("STY008", "tabs")  # mixed indentation made plain
]


def read(text: str, example: Example, code: str) -> Analysis:
    return read_example(next(rule for rule in RULES if rule.code == code), replace(example, text=text))


def same_kind(finding: Finding) -> tuple[str, str | None]:
    return finding.code, finding.layer


def errors(analysis: Analysis) -> Counter[str]:
    return Counter(finding.code for finding in analysis.findings if finding.severity == "error")


def remarks(text: str) -> list[tuple[int, str]]:
    """Where the comments of our manners stand, and their lines."""
    found = []
    at = text.find("# remark")
    while at >= 0:
        end = text.find("\n", at)
        found.append((at, text[at : end if end >= 0 else len(text)].rstrip("\r")))
        at = text.find("# remark", at + 1)
    return found


def fields(text: str) -> Iterator[tuple[int, int]]:
    """Every field of every depth."""

    def inside(base: int, field: Field) -> Iterator[tuple[int, int]]:
        yield base + field.start, base + field.end
        values = field.value.items if isinstance(field.value, ListValue) else (field.value,)
        for value in values:
            if isinstance(value, Message):
                for child in value.fields:
                    yield from inside(base, child)

    for base, field in parse(text).fields():
        yield from inside(base, field)


def check_edits(text: str, edits: tuple[Edit, ...]) -> None:
    """The edits of one fix lie in the text and do not overlap."""
    previous = 0
    for edit in sorted(edits):
        assert previous <= edit.start <= edit.end <= len(text)
        previous = edit.end


def check_remarks(text: str, edits: tuple[Edit, ...], after: str) -> None:
    """A comment goes only with the field that it stands in, or behind, or that it is about."""
    lost = Counter(line for _, line in remarks(text)) - Counter(line for _, line in remarks(after))
    for at, line in remarks(text):
        if line not in lost:
            continue
        line_start = text.rfind("\n", 0, at) + 1
        gone = [f for f in fields(text) if any(e.start <= f[0] and f[1] <= e.end for e in edits)]
        assert any(start < at < end or line_start <= end <= at for start, end in gone), line


def described(analysis: Analysis) -> dict[str, list[object]]:
    """What `lsp describe` says of each phase: the shapes of tops and parameters by layer, and the number of parameters.

    A Silence computes nothing and gives nothing, so a fix may add one.
    """
    found = {}
    for net in analysis.nets:
        row = describe(net, "")
        layers = [
            (layer["name"], layer["type"], [t["shape"] for t in layer["tops"]], [p["shape"] for p in layer["params"]])
            for layer in row["layers"]
            if layer["type"] != "Silence"
        ]
        found[net.phase] = [*layers, row["num_parameters"]]
    return found


def check_described(before: Analysis, after: Analysis) -> None:
    """A safe fix changes no layer, shape or parameter of a net that loads."""
    if not any(finding.caffe_aborts for finding in before.findings):  # else there is no net to compare with
        assert described(after) == described(before)


def check_line_ends(text: str, after: str) -> None:
    if "\n" in text and text.count("\n") == text.count("\r\n"):
        assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize(("rule", "manner"), CASES)
def test_each_fix_alone(rule: Rule, manner: str) -> None:
    for example in rule.BAD:
        text = MANNERS[manner](example.text)
        before = read(text, example, rule.code)
        found = [finding for finding in before.findings if finding.code == rule.code]
        assert found, "the finding depends on how the net is written"
        for finding in found:
            if finding.fix is None:
                continue
            edits = finding.fix.edits
            check_edits(text, edits)
            fixed = apply_edits(text, edits)
            after = read(fixed, example, rule.code)
            kinds = Counter(map(same_kind, before.findings))
            assert Counter(map(same_kind, after.findings))[same_kind(finding)] < kinds[same_kind(finding)], fixed
            if not rule.code.startswith("SYN"):  # what could not be read may turn out to be wrong
                assert not errors(after) - errors(before), fixed
            if finding.fix.applicability == "safe":
                check_described(before, after)
            check_remarks(text, edits, fixed)
            check_line_ends(text, fixed)


# -- all fixes of a file together --------------------------------------------------------------------------------------
NETS = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.prototxt"))]
DAMAGE: dict[str, Callable[[list[str], int, int], None]] = {
    "lose a line": lambda lines, at, _: lines.__delitem__(at),
    "double a line": lambda lines, at, _: lines.insert(at, lines[at]),
    "swap two lines": lambda lines, at, to: lines.__setitem__(slice(at, at + 2), lines[at : at + 2][::-1]),
    "copy a line elsewhere": lambda lines, at, to: lines.insert(to, lines[at]),
    "change a number": lambda lines, at, to: lines.__setitem__(at, lines[at].replace("3", "0").replace("1", "7")),
    "misspell": lambda lines, at, to: lines.__setitem__(at, lines[at].replace("_param", "_parm", 1)),
    "another phase": lambda lines, at, to: lines.__setitem__(at, lines[at].replace("TRAIN", "TEST")),
    "drop a bracket": lambda lines, at, to: lines.__setitem__(at, lines[at].replace("}", "", 1)),
    "another dialect's layer": lambda lines, at, to: lines.__setitem__(at, lines[at].replace('"BatchNorm"', '"BN"')),
}
DIALECTS = ("auto", "bvlc", "nvidia-0.15", "nvidia-0.17", "ssd", "segnet")


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A net of examples/ with a few faults, in one of the manners."""
    lines = lines_of(draw(st.sampled_from(NETS)))
    for _ in range(draw(st.integers(0, 4))):
        at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        DAMAGE[draw(st.sampled_from(sorted(DAMAGE)))](lines, at, to)
        lines = lines or [""]
    return MANNERS[draw(st.sampled_from(sorted(MANNERS)))]("\n".join(lines))


@given(damaged(), st.sampled_from(DIALECTS), st.booleans())
@effort(max_examples=60)
def test_fixing_ends_where_nothing_is_left_to_fix(text: str, dialect: str, unsafe: bool) -> None:
    settings = Settings(dialect)
    source = Source(text, "net.prototxt")
    before = analyze(source, settings)
    done = fix_all(source, settings, unsafe)
    assert fix_text(Source(done.text, "net.prototxt"), settings, unsafe) == done.text, "a fixed point"
    syntax = sum(f.code.startswith("SYN") and f.severity == "error" for f in before.findings)
    if not syntax:
        assert sum(errors(done.analysis).values()) <= sum(errors(before).values())
    assert done.applied or done.text == text
    check_line_ends(text, done.text)
    fresh = analyze(Source(done.text, "net.prototxt"), settings)
    assert fresh.findings == done.analysis.findings


@given(damaged(), st.sampled_from(DIALECTS))
@effort(max_examples=60)
def test_safe_fixes_leave_what_a_net_that_loads_is(text: str, dialect: str) -> None:
    settings = Settings(dialect)
    before = analyze(Source(text, "net.prototxt"), settings)
    check_described(before, fix_all(Source(text, "net.prototxt"), settings, unsafe=False).analysis)
