"""Every net and solver of the corpus under the whole analysis: what is called an error there is one.

The errors are listed, with the reason for each, in docs/oracle.md; the list is complete and holds nothing else. Beside
it the recorded answers of the real Caffe: no abort is claimed for a net that it loads.

    python tests/net/test_corpus.py             # findings and files for each rule, as docs/precision.md has them
    python tests/net/test_corpus.py --errors    # the error findings, one a line
    python tests/net/test_corpus.py --sample BN020 BN011   # the findings to review: all, or 20 drawn with a fixed seed
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_server import files
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked import Reader, analyze_linked

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle import INIT, NOT_ABOUT_THE_NET, OTHER_BUILDS, dialect_of, faked_shapes, nets, records

ROOT = Path(__file__).parents[2]
PRECISION = ROOT / "docs" / "precision.md"
LISTED = re.compile(r"^\| `(?P<file>[^`:]+):(?P<row>\d+)` \| (?P<code>[A-Z]{3}?\w+) \|", re.MULTILINE)
SEED, SAMPLE = 20, 20


class Hit(NamedTuple):
    """A finding at a row of a file."""

    file: str
    row: int
    dialect: str
    finding: Finding

    def __str__(self) -> str:
        f = self.finding
        return f"{self.file}:{self.row} [{self.dialect}] {f.severity} {f.code} {f.message}"


def corpus_files(shared: Path) -> list[str]:
    """The paths of all files, as the index lists them."""
    lines = (shared / "corpus" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["file"] for line in lines]


def hits(shared: Path, names: list[str]) -> Iterator[Hit]:
    """What the analysis says about files as somebody finds them: dialect and phases by their own evidence."""
    reader = Reader()
    for name in names:
        text = files.read(str(shared / "corpus" / name))
        source = Source(text.text, text.path, text.encoding_problem)
        analysis = analyze_linked(source, Settings(), reader, reader.known(text.path))
        for finding in analysis.findings:
            yield Hit(name, text.text.count("\n", 0, finding.start) + 1, analysis.file.dialect, finding)


def table(page: str, title: str) -> list[str]:
    """The lines of the first table under a heading."""
    lines = iter(page.partition(f"\n## {title}\n")[2].splitlines())
    rows = dropwhile(lambda line: not line.startswith("|"), lines)
    return list(takewhile(lambda line: line.startswith("|"), rows))


def quiet(found: list[Hit], names: list[str]) -> str:
    """How many files get nothing, nothing above a hint, neither an error nor a warning: a sentence of the page."""
    loud = [{hit.file for hit in found if hit.finding.severity in SEVERITIES[:stop]} for stop in (4, 3, 2)]
    nothing, hints, mild = (len(names) - len(files_) for files_ in loud)
    return (
        f"{nothing} of {len(names)} files get no finding at all, {hints} none above a hint, {mild} neither an error "
        "nor a warning."
    )


def errors(found: Iterator[Hit]) -> set[tuple[str, int, str]]:
    return {(hit.file, hit.row, hit.finding.code) for hit in found if hit.finding.severity == "error"}


def listed_errors() -> set[tuple[str, int, str]]:
    """The table of true defects in docs/oracle.md."""
    text = (ROOT / "docs" / "oracle.md").read_text(encoding="utf-8")
    return {(match["file"], int(match["row"]), match["code"]) for match in LISTED.finditer(text)}


@pytest.fixture(scope="module")
def everything(shared: Path) -> list[Hit]:
    """All findings of the corpus (more than a minute)."""
    return list(hits(shared, corpus_files(shared)))


@pytest.mark.slow
def test_every_error_in_the_corpus_is_a_defect_that_we_know(everything: list[Hit]) -> None:
    assert errors(iter(everything)) == listed_errors()


@pytest.mark.slow
def test_the_counts_in_precision_are_those_of_today(everything: list[Hit], shared: Path) -> None:
    page = PRECISION.read_text(encoding="utf-8")
    assert table(page, "Findings") == counts(everything).splitlines()
    assert quiet(everything, corpus_files(shared)) in " ".join(page.split())


@pytest.mark.slow
def test_each_rule_that_warns_or_tells_is_reviewed(everything: list[Hit]) -> None:
    """As many findings as the page says, as many of them looked at as it promises, and nine of ten warnings true."""
    number = Counter((hit.finding.severity, hit.finding.code) for hit in everything)
    page = PRECISION.read_text(encoding="utf-8")
    for severity, title in (("warning", "Warnings, reviewed"), ("info", "Info, reviewed")):
        rows = [[cell.strip() for cell in row.split("|")[1:5]] for row in table(page, title)[2:]]
        reviewed = {row[0].split()[0]: [int(cell) for cell in row[1:]] for row in rows}
        assert reviewed.keys() == {code for own, code in number if own == severity}
        for code, (findings, seen, true) in reviewed.items():
            assert findings == number[severity, code], code
            assert seen == min(findings, SAMPLE), code
            assert true <= seen
            assert severity == "info" or true >= 0.9 * seen, code


def test_the_pages_agree_on_the_errors() -> None:
    page = PRECISION.read_text(encoding="utf-8")
    told = sum(int(row.split("|")[3]) for row in table(page, "Findings") if row.startswith("| error |"))
    assert told == len(listed_errors())
    assert f"{told} of {told} are true" in page


def test_errors_in_the_files_that_have_some_and_a_draw_of_others(shared: Path) -> None:
    listed = listed_errors()
    drawn = random.Random(SEED).sample(corpus_files(shared), SAMPLE)
    assert errors(hits(shared, sorted({*drawn, *(file for file, _, _ in listed)}))) == listed


def aborts(text: str, dialect: str, phase: str, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    settings = Settings(dialect=dialect, phase=phase, shapes=tuple(shapes.items()))
    return [f"{f.code} {f.message}" for f in analyze(Source(text), settings).findings if f.caffe_aborts]


@pytest.mark.slow
@pytest.mark.parametrize("file", INIT)
def test_no_abort_where_caffe_builds_the_net(shared: Path, file: str) -> None:
    wrong = []
    for record, text in nets(shared / "oracle" / file, shared / "corpus"):
        if record["ok"]:
            found = aborts(text, record.get("dialect", "bvlc"), record["phase"], faked_shapes(record))
            wrong += [f"{record.get('file') or record['path']} {record['phase']}: {item}" for item in found]
    assert wrong == []


@pytest.mark.slow
def test_no_abort_where_some_caffe_builds_the_net_and_nobody_says_which(shared: Path) -> None:
    """As somebody finds a file: the dialect is chosen by what the file says."""
    built = {}
    for file in INIT:
        for record, text in nets(shared / "oracle" / file, shared / "corpus"):
            if record["ok"]:
                built.setdefault((text, record["phase"]), record)
    assert len(built) == 308
    wrong = []
    for (text, phase), record in built.items():
        found = aborts(text, "auto", phase, faked_shapes(record))
        wrong += [f"{record.get('file') or record['path']} {phase}: {item}" for item in found]
    assert wrong == []


# Nets of NVIDIA's Caffe that say nothing but what BVLC's reads too, and stops at.
SAYS_NOTHING_OF_ITS_FORK = {
    *((f"BatchNorm with {n} param blocks, lr_mult 1", "BN001") for n in (1, 2, 4, 5)),
    ("BatchNorm on one axis", "BN037"),
}


def test_no_abort_in_small_nets_of_forks_of_which_nobody_says_whose_they_are(shared: Path) -> None:
    stopped = set()
    for record in records(shared / "oracle" / "forks" / "probes.jsonl"):
        if record["ok"] or record["error"]["stage"] in ("forward", "backward"):
            stopped |= {(record["case"], said[:5]) for said in aborts(record["text"], "auto", record["phase"], {})}
    for path in sorted((shared / "oracle" / "forks" / "golden").glob("*.json")):
        answer = json.loads(path.read_text(encoding="utf-8"))
        if "layers" in answer:
            text = path.with_suffix(".prototxt").read_text(encoding="utf-8")
            stopped |= {(path.stem, said[:5]) for said in aborts(text, "auto", answer["phase"], {})}
    assert stopped == SAYS_NOTHING_OF_ITS_FORK


def test_small_nets_and_faults_as_caffe_judges_them(shared: Path) -> None:
    """Random nets with one planted fault each, nets that ask one question each, and probes of the forks."""
    wrong = []
    for record in records(shared / "oracle" / "mutants.jsonl.gz"):
        if bool(found := aborts(record["text"], "bvlc", record["phase"], {})) == record["ok"]:
            wrong.append(f"mutant {record['id']}: {found}, Caffe: {record['error']}")
    for path in sorted((shared / "oracle" / "one-fault").glob("*.json")):
        text = path.with_suffix(".prototxt").read_bytes().decode("utf-8", "replace")
        for phase, answer in json.loads(path.read_text(encoding="utf-8")).items():
            if phase not in ("TRAIN", "TEST") or (path.stem in NOT_ABOUT_THE_NET and path.stem != "mixed_layer_layers"):
                continue
            if bool(found := aborts(text, "bvlc", phase, {})) == answer["ok"]:
                wrong.append(f"{path.stem} {phase}: {found}, Caffe: {answer['error']}")
    for record in records(shared / "oracle" / "forks" / "probes.jsonl"):
        dialect, case = dialect_of(record), record["case"]
        loads = record["ok"] or record["error"]["stage"] in ("forward", "backward")
        if (dialect, case) not in OTHER_BUILDS and bool(aborts(record["text"], dialect, record["phase"], {})) == loads:
            wrong.append(f"{dialect} {case}: Caffe: {record['error']}")
    assert wrong == []


# -- as a tool ---------------------------------------------------------------------------------------------------------
def counts(found: list[Hit]) -> str:
    """A Markdown table: findings and files for each severity of each rule."""
    number: Counter[tuple[str, str, str]] = Counter()
    where: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for hit in found:
        key = (hit.finding.severity, hit.finding.code, hit.finding.name)
        number[key] += 1
        where[key].add(hit.file)
    lines = ["| severity | rule | findings | files |", "|---|---|---|---|"]
    for key in sorted(number, key=lambda k: (SEVERITIES.index(k[0]), k[1])):
        severity, code, name = key
        lines.append(f"| {severity} | {code} {name} | {number[key]} | {len(where[key])} |")
    return "\n".join(lines)


def sample(found: list[Hit], code: str) -> list[Hit]:
    """What to review of a rule: of each severity all up to 20, else 20 drawn with a fixed seed."""
    drawn: list[Hit] = []
    for severity in SEVERITIES:
        own = [hit for hit in found if hit.finding.code == code and hit.finding.severity == severity]
        drawn += own if len(own) <= SAMPLE else sorted(random.Random(SEED).sample(own, SAMPLE), key=lambda h: h[:2])
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description="What the rules say about the corpus.")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--sample", nargs="+", metavar="CODE", default=[])
    options = parser.parse_args()
    found = list(hits(options.shared, corpus_files(options.shared)))
    if options.errors:
        chosen = [hit for hit in found if hit.finding.severity == "error"]
    else:
        chosen = [hit for code in options.sample for hit in sample(found, code)]
    if options.errors or options.sample:
        print("\n".join(map(str, chosen)))
    else:
        print(counts(found))
        print("\n" + quiet(found, corpus_files(options.shared)))


if __name__ == "__main__":
    main()
