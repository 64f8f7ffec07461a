"""A safe fix leaves the numbers of a net as they are: one batch before and after, every top of every layer, bit by bit.

The nets are the BAD examples of the rules, and the nets of examples/ with all safe fixes applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar import apply_edits
from prototxt_net.phases import State
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_all
from prototxt_server.report.rule_examples import read_example
from prototxt_server.rules.base import Example, Rule
from prototxt_server.rules.catalogue import load_all

EXAMPLES = Path(__file__).parent.parent / "examples"
RULES = [rule for rule in load_all() if rule.fix_safety != "none"]
Numbers = dict[tuple[str, str, int], npt.NDArray[np.float32]]


def numbers(analysis: Analysis) -> Numbers:
    """(phase, layer, top's place) -> the top's values after one batch."""
    found: Numbers = {}
    for net in analysis.nets:
        shapes = dict(analysis.settings.shapes)
        planned = plan.make(analysis.file, State(net.phase, net.level, net.stages), Inputs(shapes=shapes), None, 2)
        every = frozenset(top for node in planned.net.nodes for top in node.tops)
        run = Pass(planned, Backend(), Inputs(shapes=shapes), Options(keep=every))
        run.run()
        for node in planned.net.nodes:
            for index, top in enumerate(node.tops):
                if top in run.arrays:
                    found[net.phase, node.name, index] = run.arrays[top]
    return found


def loads(analysis: Analysis) -> bool:
    return analysis.file.kind == "net" and not any(finding.caffe_aborts for finding in analysis.findings)


def check_same(before: Numbers, after: Numbers) -> None:
    assert before.keys() == after.keys()
    for key, values in before.items():
        np.testing.assert_array_equal(after[key], values, str(key))


def fixed(analysis: Analysis, code: str, applicability: str) -> Iterator[str]:
    """The text after each fix of a rule, alone."""
    for finding in analysis.findings:
        if finding.code == code and finding.fix is not None and finding.fix.applicability == applicability:
            yield apply_edits(analysis.source.text, finding.fix.edits)


def cases() -> Iterator[object]:
    for rule in RULES:
        for number, example in enumerate(rule.BAD):
            analysis = read_example(rule, example)
            if loads(analysis) and any(fixed(analysis, rule.code, "safe")):
                yield pytest.param(rule, example, id=f"{rule.code}-{number}")


CASES = list(cases())


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_safe_fix_leaves_the_numbers(rule: Rule, example: Example) -> None:
    before = read_example(rule, example)
    was = numbers(before)
    assert was, "nothing ran"
    for text in fixed(before, rule.code, "safe"):
        check_same(was, numbers(read_example(rule, replace(example, text=text))))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.prototxt")), ids=lambda path: path.stem)
def test_all_safe_fixes_together_leave_the_numbers(path: Path) -> None:
    source = Source(path.read_text(), path.name)
    before = analyze(source, Settings())
    if not loads(before):
        pytest.skip("Caffe does not load it: there are no numbers to keep")
    check_same(numbers(before), numbers(fix_all(source, Settings(), unsafe=False).analysis))


def test_an_unsafe_fix_does_change_them() -> None:
    """Else the tests above could not fail."""
    source = Source((EXAMPLES / "bn_zero_gamma.prototxt").read_text(), "net.prototxt")
    before = analyze(source, Settings())
    (text,) = fixed(before, "BN031", "unsafe")
    with pytest.raises(AssertionError):
        check_same(numbers(before), numbers(analyze(Source(text, "net.prototxt"), Settings())))
