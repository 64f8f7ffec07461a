"""The formats of `lsp check`: what each promises to the program or the person that reads it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from syrupy.assertion import SnapshotAssertion

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix, Related
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.report import formats
from prototxt_server.report.human import statistics, summary
from prototxt_server.report.record import FileFindings, Layout, records

EXAMPLES = Path(__file__).parents[2] / "examples"
LAYOUT = Layout()


def checked(path: Path, text: str | None = None) -> FileFindings:
    content = path.read_text(encoding="utf-8") if text is None else text
    return FileFindings(path.name, content, analyze(Source(content, path.name), Settings()).findings)


def hostile() -> FileFindings:
    """Whatever a file, its name and a message may hold that a format gives a meaning of its own."""
    text = 'layer {\r\n\tname: "<a&b>\x1b[2J 100% \udce9 \U0001d6fe" # 網\r\n}\r\n'
    start, end = text.index("<"), text.index(" #")
    said = 'says\r\n100 % of "<x>" & \x01\udce9::'
    fix = Fix("unsafe", "Write `b`\n", (Edit(start, end - 1, "b\r\n\x01"), Edit(0, 0, "# x\n")))
    related = (Related("here\n", 0, 5), Related("there", 0, 1, "other.prototxt"))
    findings = [
        Finding("BN031", "bn-gamma-zero-default", "error", said, start, end, "a", ("TRAIN",), fix=fix, related=related),
        Finding("BN055", "conv-bias-before-bn", "hint", "over lines", 0, len(text), None, ("TRAIN", "TEST"), url="u"),
        Finding("SYN008", "encoding", "warning", "nowhere", 0, 0, caffe_aborts=True),
    ]
    return FileFindings("a b,c:d%é\udce9.prototxt", text, findings)


FILES = [*map(checked, sorted(EXAMPLES.glob("*.prototxt"))), hostile(), FileFindings("empty.prototxt", "", [])]
COUNT = sum(len(file.findings) for file in FILES)


def rendered(name: str, layout: Layout = LAYOUT) -> str:
    """As it reaches standard output, where invalid bytes are replaced."""
    return re.sub("[\ud800-\udfff]", "\ufffd", formats.render(name, FILES, layout))


def test_a_place_in_another_file_has_the_rows_of_that_file(tmp_path: Path) -> None:
    other = tmp_path / "solver.prototxt"
    other.write_text('net: "n.prototxt"\nbase_lr: 0.1\n')
    start = other.read_text().index("base_lr")
    there = Related("the solver", start, start + 7, str(other))
    gone = Related("deleted since", 40, 47, str(tmp_path / "gone.prototxt"))
    finding = Finding("NET001", "unknown-bottom", "error", "says", 0, 4, related=(there, gone))
    file = FileFindings("n.prototxt", "name: 'x'", [finding])
    assert [(r["location"], r["end_location"]) for r in next(records([file]))["related"]] == [
        ({"row": 2, "column": 1}, {"row": 2, "column": 8}),
        ({"row": 1, "column": 1}, {"row": 1, "column": 1}),
    ]
    assert f"the solver ({other}:2:1)" in formats.render("full", [file], LAYOUT)


# -- json, as the contract has it --------------------------------------------------------------------------------------
PLACE = {
    "type": "object",
    "properties": {"row": {"type": "integer", "minimum": 1}, "column": {"type": "integer", "minimum": 1}},
    "required": ["row", "column"],
    "additionalProperties": False,
}
TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


RECORD = closed(
    code={"type": "string", "pattern": "^[A-Z]{2,3}[0-9]{3}$"},
    name={"type": "string", "pattern": "^[a-z0-9-]+$"},
    severity={"enum": ["error", "warning", "info", "hint"]},
    message=TEXT,
    filename=TEXT,
    location=PLACE,
    end_location=PLACE,
    layer={"type": ["string", "null"]},
    phases={"type": "array", "items": {"enum": ["TRAIN", "TEST"]}},
    dialect=TEXT,
    caffe_aborts={"type": "boolean"},
    fix={
        "anyOf": [
            {"type": "null"},
            closed(
                applicability={"enum": ["safe", "unsafe"]},
                message=TEXT,
                edits={"type": "array", "items": closed(location=PLACE, end_location=PLACE, content=TEXT)},
            ),
        ]
    },
    related={
        "type": "array",
        "items": closed(message=TEXT, filename=TEXT, location=PLACE, end_location=PLACE),
    },
    url=TEXT,
)


def test_json_is_the_contract() -> None:
    rows = json.loads(rendered("json"))
    jsonschema.validate(rows, {"type": "array", "items": RECORD})
    assert len(rows) == COUNT
    assert list(rows[0]) == list(RECORD["properties"]), "in the order of the contract"


def test_json_counts_code_points_from_one() -> None:
    text = 'name: "\U0001d6fe" // x\n'
    file = checked(Path("net.prototxt"), text)
    row = json.loads(formats.render("json", [file], LAYOUT))[0]
    assert (row["location"], row["end_location"]) == ({"row": 1, "column": 11}, {"row": 1, "column": 15})


def test_json_lines_are_the_same_records() -> None:
    lines = rendered("json-lines").split("\n")
    assert [json.loads(line) for line in lines] == json.loads(rendered("json"))


# -- sarif -------------------------------------------------------------------------------------------------------------
def at_least(required: str, **properties: Any) -> dict[str, Any]:
    """An object with some keys required and no others than these: SARIF's own schema closes its objects too."""
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


POSITIVE = {"type": "integer", "minimum": 1}
MESSAGE = at_least("text", text={"type": "string", "minLength": 1})
REGION = at_least("startLine", startLine=POSITIVE, startColumn=POSITIVE, endLine=POSITIVE, endColumn=POSITIVE)
URI = {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*$"}
ARTIFACT = at_least("uri", uri=URI)
PHYSICAL = at_least("artifactLocation region", artifactLocation=ARTIFACT, region=REGION)
REPLACEMENT = at_least("deletedRegion", deletedRegion=REGION, insertedContent=at_least("text", text=TEXT))
CHANGE = at_least(
    "artifactLocation replacements",
    artifactLocation=ARTIFACT,
    replacements={"type": "array", "minItems": 1, "items": REPLACEMENT},
)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RESULT = at_least(
    "message ruleId level locations",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={"type": "array", "items": at_least("physicalLocation", physicalLocation=PHYSICAL)},
    relatedLocations={
        "type": "array",
        "items": at_least("physicalLocation", id={"type": "integer"}, message=MESSAGE, physicalLocation=PHYSICAL),
    },
    fixes={
        "type": "array",
        "items": at_least(
            "artifactChanges", description=MESSAGE, artifactChanges={"type": "array", "minItems": 1, "items": CHANGE}
        ),
    },
    partialFingerprints=at_least("primaryLocationLineHash", primaryLocationLineHash=TEXT),
    properties={"type": "object"},
)
DRIVER = at_least(
    "name",
    name=TEXT,
    version=TEXT,
    informationUri=URI,
    rules={
        "type": "array",
        "uniqueItems": True,
        "items": at_least(
            "id name shortDescription fullDescription help helpUri defaultConfiguration",  # GitHub asks for these
            id=TEXT,
            name=TEXT,
            shortDescription=MESSAGE,
            fullDescription=MESSAGE,
            helpUri=URI,
            help=at_least("text markdown", text=TEXT, markdown=TEXT),
            defaultConfiguration=at_least("level", level=LEVEL),
        ),
    },
)
RUN = at_least(
    "tool results",
    tool=at_least("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
SARIF = at_least(
    "version runs", **{"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}}
)


def test_sarif_has_the_shape_of_2_1_0() -> None:
    """The part of the official schema that we use, and what GitHub's code scanning asks for beyond it."""
    log = json.loads(rendered("sarif"))
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    assert len(run["results"]) == COUNT
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


@pytest.mark.skipif("SARIF_SCHEMA" not in os.environ, reason="SARIF_SCHEMA names no sarif-schema-2.1.0.json")
def test_sarif_is_valid_by_the_whole_schema() -> None:
    """The schema (Draft 4, 136 KB, for example that of the npm package @microsoft/jest-sarif) is not ours to keep."""
    official = json.loads(Path(os.environ["SARIF_SCHEMA"]).read_text())
    jsonschema.validate(json.loads(rendered("sarif")), official)
    every = [checked(path) for path in sorted(EXAMPLES.glob("*.prototxt"))]
    jsonschema.validate(json.loads(formats.render("sarif", every, LAYOUT)), official)


def test_sarif_fingerprints_survive_an_edit_above() -> None:
    path = EXAMPLES / "bn_zero_gamma.prototxt"

    def hashes(file: FileFindings) -> list[str]:
        results = json.loads(formats.render("sarif", [file], LAYOUT))["runs"][0]["results"]
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]

    found = hashes(checked(path))
    assert len(set(found)) == len(found) > 3
    assert hashes(checked(path, "# a line\n" + path.read_text())) == found


def test_sarif_paths_are_uris() -> None:
    files = [
        FileFindings(name, "x", hostile().findings[2:]) for name in ("a b/ü.prototxt", "/abs/net.prototxt", "a\\b")
    ]
    results = json.loads(formats.render("sarif", files, LAYOUT))["runs"][0]["results"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results]
    assert uris == ["a%20b/%C3%BC.prototxt", "file:///abs/net.prototxt", "a/b"]


# -- continuous integration --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a/net.prototxt", "./a/net.prototxt", "a\\net.prototxt"])
def test_services_find_the_file_in_the_repository(name: str) -> None:
    files = [FileFindings(name, "x", hostile().findings[2:])]
    assert ",file=a/net.prototxt,line=" in formats.render("github", files, LAYOUT)
    for row in json.loads(formats.render("gitlab", files, LAYOUT)):
        assert row["location"]["path"] == "a/net.prototxt"
    for result in json.loads(formats.render("sarif", files, LAYOUT))["runs"][0]["results"]:
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a/net.prototxt"


def test_github_commands_are_escaped() -> None:
    lines = rendered("github").split("\n")
    assert len(lines) == COUNT
    shape = re.compile(
        r"::(error|warning|notice) title=[^:,]+,file=[^:,]+,line=\d+,endLine=\d+(,col=\d+,endColumn=\d+)?::.+"
    )
    assert all(shape.fullmatch(line) for line in lines)
    error, notice, warning = lines[-3:]
    file = "file=a b%2Cc%3Ad%25é\ufffd.prototxt"
    assert error == (
        f"::error title=BN031 bn-gamma-zero-default,{file},line=2,endLine=2,col=9,endColumn=28"
        '::a b,c:d%25é\ufffd.prototxt:2:9: BN031 says%0D%0A100 %25 of "<x>" & \x01\ufffd::'
    )
    assert notice.startswith(f"::notice title=BN055 conv-bias-before-bn,{file},line=1,endLine=4::")
    assert warning.startswith("::warning title=SYN008")


def test_gitlab_fingerprints_are_unique_and_survive_an_edit_above() -> None:
    rows = json.loads(rendered("gitlab"))
    wanted = {"description", "check_name", "fingerprint", "severity", "location"}
    assert all(row.keys() == wanted for row in rows)
    assert {row["severity"] for row in rows} <= {"info", "minor", "major", "critical", "blocker"}
    assert len({row["fingerprint"] for row in rows}) == COUNT
    path = EXAMPLES / "loss_87.prototxt"
    before = json.loads(formats.render("gitlab", [checked(path)], LAYOUT))
    after = json.loads(formats.render("gitlab", [checked(path, "# a new line\n" + path.read_text())], LAYOUT))
    assert [row["fingerprint"] for row in before] == [row["fingerprint"] for row in after]
    assert before[0]["location"]["positions"]["begin"]["line"] + 1 == after[0]["location"]["positions"]["begin"]["line"]


@pytest.mark.parametrize("fail_on", ["error", "warning", "hint"])
def test_junit_fails_what_the_exit_code_fails(fail_on: Any) -> None:
    root = ElementTree.fromstring(rendered("junit", Layout(fail_on=fail_on)))
    order = ["error", "warning", "info", "hint"]
    failing = [f for file in FILES for f in file.findings if order.index(f.severity) <= order.index(fail_on)]
    assert len(list(root.iter("failure"))) == len(failing) == int(root.get("failures", ""))
    assert len(list(root.iter("testcase"))) == int(root.get("tests", ""))
    suites = {suite.get("name"): suite for suite in root}
    assert len(suites) == len(FILES)
    assert all(int(suite.get("tests", "")) == len(list(suite)) for suite in root)
    assert [case.get("name") for case in suites["empty.prototxt"]] == ["nothing found"]


def test_pylint_lines() -> None:
    lines = rendered("pylint").split("\n")
    assert len(lines) == COUNT
    assert all(re.fullmatch(r".+:\d+: \[[A-Z]+\d+\] .+", line) for line in lines)


# -- people ------------------------------------------------------------------------------------------------------------
def test_people_see_no_control_characters() -> None:
    for name in ("full", "concise"):
        text = rendered(name)
        assert all(c.isprintable() or c in "\n\t" for c in text), name
    assert len(rendered("concise").split("\n")) == COUNT


def test_colour_adds_nothing_but_colour() -> None:
    coloured = rendered("full", Layout(colour=True))
    assert "\x1b[1;31merror[BN031]\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == rendered("full")


def test_a_terminal_gets_its_width() -> None:
    wrapped = rendered("full", Layout(width=80))
    said = [line for line in wrapped.split("\n") if not re.match(r" *\d* \||  (-->|note:|help:) ", line)]
    assert max(map(len, said)) <= 80
    assert re.sub(r"\n  (?!-->|note:|help:| *\||\d)", " ", wrapped).split() == rendered("full").split()


def test_a_long_line_is_shown_around_the_place() -> None:
    text = 'layer { name: "a" type: "ReLU" bottom: "b" top: "b" } ' * 20_000
    end = text.rindex("ReLU")
    shown = formats.render(
        "full", [FileFindings("x", text, [Finding("X001", "x", "error", "m", end, end + 4)])], LAYOUT
    )
    lines = shown.split("\n")
    assert max(map(len, lines)) < 200
    source, mark = lines[3], lines[4]
    assert source[mark.index("^") : mark.rindex("^") + 1] == "ReLU"


def test_a_fix_that_two_findings_offer_counts_once() -> None:
    fix = Fix("unsafe", "Write 1", (Edit(0, 1, "1"),))
    both = [Finding(code, "n", "error", "m", 0, 1, fix=fix) for code in ("INI002", "DYN002")]
    assert summary([FileFindings("a", "0", both)]) == "Checked 1 file: 2 errors. 1 with --fix --unsafe-fixes."


def test_summary_and_statistics() -> None:
    files = [hostile()]
    assert summary(files) == "Checked 1 file: 1 error, 1 warning, 1 hint. 1 with --fix --unsafe-fixes."
    assert summary(files, 2) == "Fixed 2 findings. " + summary(files)
    assert summary([]) == "Checked 0 files: nothing found."
    counted = json.loads(formats.statistics("json", files))
    assert [(row["code"], row["count"]) for row in counted] == [
        (line.split()[1], int(line.split()[0])) for line in statistics(files).splitlines()
    ]
    assert {row["code"] for row in counted if row["fixable"]} == {
        f.code for file in files for f in file.findings if f.fix is not None and f.fix.applicability == "safe"
    }
    doubled = statistics([*files, checked(EXAMPLES / "loss_87.prototxt")]).splitlines()
    assert doubled[0].split() == ["2", "BN010", "warning", "bn-train-global-stats"]


@pytest.mark.parametrize("name", ["full", "concise"])
def test_the_layout(name: str, snapshot: SnapshotAssertion) -> None:
    text = re.sub("[\ud800-\udfff]", "\ufffd", formats.render(name, [hostile()], LAYOUT))
    assert text == snapshot


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.prototxt")), ids=lambda path: path.stem)
def test_examples(path: Path, snapshot: SnapshotAssertion) -> None:
    """What a newcomer reads; `pytest --snapshot-update` after a message was changed on purpose."""
    file = checked(path)
    assert f"{formats.render('full', [file], LAYOUT)}\n{summary([file])}" == snapshot
