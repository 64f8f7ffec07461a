"""SYN: what protobuf's parser refuses is reported once, at its token; what it accepts is not reported."""

from __future__ import annotations

import pytest

from prototxt_grammar import LineIndex, apply_edits
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.files import decode
from prototxt_server.rules.example_nets import CONV, IMAGE

_SOLVER = 'net: "a.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\n'


def codes(text: str, filename: str = "", encoding: str = "") -> list[str]:
    found = analyze(
        Source(text, filename, encoding), Settings(dialect="bvlc", select=("SYN", "SCH001", "SCH002"))
    ).findings
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="an empty file"),
        pytest.param("# nothing but a comment", id="a comment without a line end"),
        pytest.param(IMAGE.replace("\n", "\r\n"), id="CR LF"),
        pytest.param(IMAGE.replace("input_param {", "input_param: {"), id="a colon before a bracket"),
        pytest.param(IMAGE.replace("{ shape { dim: 2", "< shape { dim: 2").replace("} }\n}", "} >\n}"), id="angles"),
        pytest.param(IMAGE.replace('"data"', "'da' \"ta\""), id="adjacent strings"),
        pytest.param(IMAGE.replace('name: "data"', 'name: "a//b /* c"'), id="slashes in a string"),
        pytest.param(IMAGE.replace('name: "data"', 'name: "名"'), id="UTF-8 in a string"),
        pytest.param("# ：{ // “\n" + IMAGE, id="anything in a comment"),
        pytest.param(CONV.replace("pad: 1", "pad: [0x1, 1] bias_term: t"), id="list, hexadecimal, bool"),
        pytest.param(CONV.replace("pad: 1", "pad: 1,").replace("num_output: 4", "num_output: 4;"), id="separators"),
    ],
)
def test_what_is_legal(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(IMAGE.replace("dim: 2", "dim: 2dim: 2"), ["SYN005"], id="number and name"),
        pytest.param("max_iter: 100test_interval: 10\n" + _SOLVER, ["SYN005"], id="in a solver"),
        pytest.param(IMAGE + "}\n" + CONV, ["SYN003"], id="one close too many between layers"),
        pytest.param(IMAGE.replace("}\n", "", 1) + CONV, ["SYN002"], id="the first layer open"),
        pytest.param(CONV.replace('top: "conv"', 'top: "conv'), ["SYN006"], id="an open string"),
        pytest.param(CONV.replace('"conv"', "“conv”"), ["SYN007"] * 4, id="typographic quotes"),
        pytest.param(CONV.replace("  bottom", "\u200b  bottom"), ["SYN007"], id="no width"),
        pytest.param(CONV.replace("pad: 1", "pad: 1.5"), ["SYN010"], id="a fraction for an integer"),
        pytest.param(CONV.replace("pad: 1", "pad"), ["SYN001"], id="a name alone"),
        pytest.param(CONV.replace("num_output: 4", "num_output: [4]"), ["SYN011"], id="a list where one is allowed"),
        pytest.param(IMAGE + 'name: "a"\n' + CONV + 'name: "b"\n', ["SYN011"], id="far apart in the file"),
    ],
)
def test_what_is_refused(text: str, wanted: list[str]) -> None:
    assert codes(text) == wanted


def test_invalid_bytes_count_in_strings_only() -> None:
    damaged = b"\xff".decode("utf-8", "surrogateescape")
    assert codes(f"# {damaged}\n" + IMAGE, encoding="invalid UTF-8") == []
    assert codes(IMAGE.replace('name: "data"', f'name: "{damaged}"'), encoding="invalid UTF-8") == ["SYN008"]
    assert codes(IMAGE, encoding="UTF-16") == ["SYN008"]


@pytest.mark.parametrize(
    ("filename", "text", "wanted"),
    [
        ("solver.prototxt", _SOLVER, []),
        ("lenet_solver.prototxt", _SOLVER, []),
        ("quick.prototxt", _SOLVER, []),
        ("train_val.prototxt", _SOLVER, ["SYN012"]),
        ("solver.prototxt", IMAGE, ["SYN012"]),
        ("train_val.prototxt", IMAGE, []),
    ],
)
def test_the_fields_decide_what_a_file_is(filename: str, text: str, wanted: list[str]) -> None:
    assert codes(text, filename) == wanted


@pytest.mark.parametrize(
    ("broken", "fixed"),
    [
        ("layer { name: 'x' // why\n}\n", "layer { name: 'x' # why\n}\n"),
        ("/* a\nb */\nlayer { name: 'x' }\n", "# a\n#b\nlayer { name: 'x' }\n"),
        ("layer { name 'x' }\n", "layer { name: 'x' }\n"),
        ("layer {\u00a0name: 'x' }\n", "layer { name: 'x' }\n"),
        ("\ufefflayer { name: 'x' }\n", "layer { name: 'x' }\n"),
    ],
)
def test_safe_fixes(broken: str, fixed: str) -> None:
    found = analyze(Source(broken), Settings(dialect="bvlc", select=("SYN",))).findings
    edits = [
        edit for finding in found if finding.fix and finding.fix.applicability == "safe" for edit in finding.fix.edits
    ]
    assert apply_edits(broken, edits) == fixed
    assert codes(fixed) == []


def damaged(data: bytes) -> list[tuple[str, str, int]]:
    """(code, severity, line) of what is said about a file of these bytes."""
    text = decode(data, "net.prototxt")
    analysis = analyze(Source(text.text, text.path, text.encoding_problem), Settings(select=("SYN",)))
    lines = LineIndex(text.text)
    return [(f.code, f.severity, lines.line_of(f.start) + 1) for f in analysis.findings]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b'# \xe9\nname: "ok" # \xe9\n', [], id="invalid bytes in comments do no harm"),
        pytest.param(b'#\nname: "a\xe9b # \xe9"\nlayer { name: "\xe9" }\n', [("SYN008", "warning", 2)], id="said once"),
        pytest.param(b'name: "a\\"" # "\xe9\n', [], id="a quote inside a string ends nothing"),
        pytest.param('name: "a\u2028\u0085\x0cb"\n'.encode() + b'state { stage: "\xe9" }\n', [("SYN008", "warning", 2)],
                     id="only line feeds end lines"),
        pytest.param(b"# old\rlayer {\r}\r", [("SYN008", "warning", 1)], id="a comment that swallows the file"),
        pytest.param(b'name: "a"\rlayer {\r}\r', [], id="without a comment a carriage return is white space"),
        pytest.param(b"# old\r\nlayer {\r\n}\r\n", [], id="CRLF"),
        pytest.param(b"# a\rb\nlayer { }\n", [], id="prose behind a stray carriage return"),
        pytest.param(b"# a\rname: 'x'\nlayer { }\n", [("SYN008", "warning", 1)], id="one line is swallowed"),
        pytest.param(b"# \0\nlayer { }\n", [("SYN008", "error", 1)], id="a NUL ends the text, in a comment too"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_plain_text(data: bytes, said: list[tuple[str, str, int]]) -> None:
    assert damaged(data) == said
