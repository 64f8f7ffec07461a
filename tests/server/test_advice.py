"""A dynamic finding carries the fix of the static rule that explains it, and the fix removes both."""

from __future__ import annotations

from pathlib import Path

import pytest

from prototxt_gpu_check.policy import Request, forward
from prototxt_grammar.edits import apply_edits
from prototxt_net.finding import Finding, Fix
from prototxt_server.advice import CAUSES, advised
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.forward import as_findings
from prototxt_server.rules.catalogue import load_all, load_dynamic

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AS_IT_IS = Settings()


def one_batch(text: str, settings: Settings = AS_IT_IS) -> list[Finding]:
    analysis = analyze(Source(text, "net.prototxt"), settings)
    request = Request(text, analysis.file.dialect, device="cpu", backward=None)
    return as_findings(forward(request)[1], analysis)


@pytest.mark.parametrize(
    ("name", "code", "rule"),
    [
        ("bn_zero_gamma", "DYN003", "BN031"),
        ("dead_layer", "DYN002", "INI002"),
        ("loss_87", "DYN012", "BN010"),
        ("frozen_teacher", "DYN017", "FRZ001"),
    ],
)
def test_the_fix_of_the_static_rule_removes_it(name: str, code: str, rule: str) -> None:
    text = (EXAMPLES / f"{name}.prototxt").read_text(encoding="utf-8")
    (finding,) = (f for f in one_batch(text) if f.code == code)
    assert finding.message.endswith(f" {rule} has a fix for `lsp check`.")
    fixed = text
    for _ in range(5):  # as many layers as have it
        fix = next((f.fix for f in one_batch(fixed) if f.code == code), None)
        if fix is None:
            break
        fixed = apply_edits(fixed, list(fix.edits))
    assert code not in {f.code for f in one_batch(fixed)}


def test_a_rule_that_was_switched_off_gives_no_advice() -> None:
    text = (EXAMPLES / "dead_layer.prototxt").read_text(encoding="utf-8")
    (finding,) = (f for f in one_batch(text, Settings(ignore=("INI002",))) if f.code == "DYN002")
    assert finding.fix is None
    assert "INI002" not in finding.message


def found(code: str, layer: str | None, fix: Fix | None = None) -> Finding:
    return Finding(code, "", "warning", "Something.", 0, 1, layer, fix=fix)


def test_only_a_rule_about_the_same_layer_and_cause_speaks() -> None:
    fix = Fix("unsafe", "Use msra", ())
    static = [found("INI002", "other", fix), found("STY001", "conv", fix), found("INI001", "conv", fix)]
    (finding,) = advised([found("DYN002", "conv")], static)
    assert finding.fix is fix
    assert finding.message == "Something. INI001 has a fix for `lsp check`."
    for silent in (found("DYN002", "third"), found("DYN022", "conv"), found("DYN002", None)):
        assert advised([silent], static) == [silent]


def test_a_rule_without_a_fix_is_named() -> None:
    (finding,) = advised([found("DYN034", "conv")], [found("NET015", "conv")])
    assert (finding.message, finding.fix) == ("Something. NET015 tells more.", None)


def test_the_table_names_rules_that_exist() -> None:
    static, dynamic = {rule.code for rule in load_all()}, {rule.code for rule in load_dynamic()}
    assert set(CAUSES) <= dynamic
    assert {code for codes in CAUSES.values() for code in codes} <= static
