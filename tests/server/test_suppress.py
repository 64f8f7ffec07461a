"""Comments that silence findings: what they cover, what they do not, and how the editor writes them."""

from __future__ import annotations

import pytest

from prototxt_grammar import apply_edits
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.example_nets import CONV, IMAGE
from prototxt_server.suppress import ignore_edit

NAMELESS = CONV.replace('  name: "conv"\n', "")  # SCH013 at the line of its type
UNKNOWN = CONV.replace("pad: 1", "padding_mode: 1")  # SCH001 inside convolution_param


def read(text: str, **settings: object) -> Analysis:
    return analyze(Source(text, "net.prototxt"), Settings(dialect="bvlc", **settings))  # type: ignore[arg-type]


def codes(text: str, **settings: object) -> list[str]:
    return [finding.code for finding in read(text, **settings).findings]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param(NAMELESS, ["SCH013"], id="nothing silences it"),
        pytest.param(
            NAMELESS.replace('"Convolution"\n', '"Convolution"  # lsp: ignore[SCH013] as published\n'),
            [],
            id="same line",
        ),
        pytest.param(
            NAMELESS.replace('bottom: "data"\n', 'bottom: "data" # lsp: ignore[SCH013]\n'),
            ["SCH013", "SUP001"],
            id="another line",
        ),
        pytest.param("# lsp: ignore[SCH013] as published\n" + NAMELESS, [], id="own line before the layer"),
        pytest.param("# lsp: ignore[SCH013]\n\n# what it is\n" + NAMELESS, [], id="comments between"),
        pytest.param(
            "# lsp: ignore[SCH013]\n" + CONV + NAMELESS.replace('top: "conv"', 'top: "c"'),
            ["SUP001", "SCH013"],
            id="the next layer only",
        ),
        pytest.param("# lsp: ignore[SCH]\n" + NAMELESS, [], id="prefix"),
        pytest.param("# lsp: ignore[missing-name]\n" + NAMELESS, [], id="name"),
        pytest.param("# lsp: ignore[NET001, SCH013]\n" + NAMELESS, ["SUP001"], id="two codes, one needed"),
        pytest.param(NAMELESS + "# lsp: ignore-file[SCH013]\n", [], id="file"),
        pytest.param("# lsp: ignore[DYN003] known\n" + CONV, [], id="codes of the forward check are not judged"),
        pytest.param("# lsp: ignore[SUP001, NET001]\n" + CONV, [], id="unused, and it may be"),
        pytest.param(NAMELESS.replace('top: "conv"', 'top: "# lsp: ignore[SCH013]"'), ["SCH013"], id="in a string"),
        pytest.param(
            UNKNOWN.replace("  convolution_param", "  # lsp: ignore[SCH001] a fork's field\n  convolution_param"),
            [],
            id="before a block",
        ),
        pytest.param("# lsp: ignore[SCH001]\r\n" + UNKNOWN.replace("\n", "\r\n"), [], id="CR LF"),
    ],
)
def test_what_a_comment_covers(text: str, left: list[str]) -> None:
    assert codes(IMAGE + text) == left


def test_a_comment_at_the_end_of_a_block_covers_nothing_behind_it() -> None:
    text = IMAGE + CONV.replace("}\n}", "}\n  # lsp: ignore[SCH013]\n}") + NAMELESS.replace('top: "conv"', 'top: "c"')
    assert sorted(codes(text)) == ["SCH013", "SUP001"]


def test_unused_codes_are_not_reported_when_their_rule_was_not_asked() -> None:
    text = IMAGE + "# lsp: ignore[SCH013]\n" + CONV
    assert codes(text) == ["SUP001"]
    assert codes(text, ignore=("SCH013",)) == []
    assert codes(text, ignore=("SUP",)) == []
    assert codes(text, phase="TEST") == [], "the other phase may need it"


def test_the_fix_takes_the_code_out_of_the_comment() -> None:
    text = IMAGE + "# lsp: ignore[NET001, SCH013] as published\n" + NAMELESS
    (finding,) = read(text).findings
    assert finding.fix
    assert apply_edits(text, finding.fix.edits) == IMAGE + "# lsp: ignore[SCH013] as published\n" + NAMELESS


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        pytest.param(NAMELESS, "SCH013", "# lsp: ignore[SCH013] as published\n" + NAMELESS, id="before the layer"),
        pytest.param(
            "  " + NAMELESS, "SCH013", "  # lsp: ignore[SCH013] as published\n  " + NAMELESS, id="with its indentation"
        ),
        pytest.param(
            "# lsp: ignore[NET001] why\n" + NAMELESS,
            "SCH013",
            "# lsp: ignore[NET001, SCH013] why\n" + NAMELESS,
            id="into the comment that is there",
        ),
        pytest.param(
            CONV + "}\n",
            "SYN003",
            "# lsp: ignore-file[SYN003] as published\n" + CONV + "}\n",
            id="outside of all fields",
        ),
    ],
)
def test_the_edit_that_silences_a_finding(text: str, code: str, wanted: str) -> None:
    analysis = read(text)
    finding = next(finding for finding in analysis.findings if finding.code == code)
    edited = apply_edits(text, [ignore_edit(analysis, finding, "as published")])
    assert edited == wanted
    assert code not in codes(edited)
