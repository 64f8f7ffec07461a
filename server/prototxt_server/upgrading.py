"""A net's text as Caffe rewrites it in memory when it loads: V0 and V1 layers, `input` fields, old names.

The conversions are the safe fixes of the rules that report the old ways of writing; here they are made in the order in
which Caffe makes them, whether or not the rules speak or are silenced in this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_grammar.edits import Edit, apply_edits
from prototxt_net.finding import Finding
from prototxt_net.upgrade import V1_TYPES
from prototxt_net.v0 import V0_TYPES
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.base import find
from prototxt_server.rules.catalogue import load_all
from prototxt_server.rules.sch.legacy import reads_v2

# Caffe's order: V0, then V1 layers (also of a file that mixes them with V2 ones, which it refuses to convert), inputs,
# the three parameters of BatchNorm, a solver's type; then what later versions only deprecate.
_STEPS = {
    "SCH005": "V0 layers",
    "SCH004": "V1 layers",
    "SCH006": "V1 layers beside V2 ones",
    "SCH008": "input fields",
    "BN002": "param blocks of BatchNorm",
    "SCH014": "solver_type",
}


@dataclass(slots=True, frozen=True)
class Upgrade:
    """The new text and what was converted in it. problem: why the text could not be converted, "" when it was."""

    text: str
    done: tuple[str, ...] = ()
    problem: str = ""
    at: int = 0


def upgrade(source: Source, settings: Settings = Settings()) -> Upgrade:  # noqa: B008
    """Convert what Caffe would convert; text that is up to date comes back as it is.

    A text with syntax errors, or with an old layer that has no new form, comes back unchanged with the problem and its
    offset. Raises KeyError when `settings.dialect` names no dialect.
    """
    load_all()
    settings = settings._replace(phase="all")
    text, done = source.text, []
    analysis = analyze(source, settings)
    broken = next(analysis.tree.problems(), None)
    if broken is not None:
        base, problem = broken
        return Upgrade(source.text, (), "it has a syntax error", base + problem.start)
    if analysis.file.layers and not reads_v2(analysis.file):
        dialect = analysis.file.dialect
        why = f"{dialect} reads no `layer` blocks; say --dialect bvlc to convert it for a later Caffe"
        return Upgrade(source.text, (), why, analysis.file.layers[0].span()[0])
    for layer in analysis.file.layers:
        known = {0: V0_TYPES, 1: V1_TYPES}.get(layer.definition.version)
        if known is not None and layer.type not in known.values():
            return Upgrade(source.text, (), f"Caffe converts no layer of type `{layer.type}`", layer.at("type")[0])
    for code, what in _STEPS.items():
        found = list(_findings(analysis, code))
        edits = [edit for finding in found if finding.fix is not None for edit in finding.fix.edits]
        new = apply_edits(text, _distinct(edits))
        if new != text:
            text = new
            done.append(what)
            analysis = analyze(source._replace(text=text), settings, analysis)
    return Upgrade(text, tuple(done))


def _findings(analysis: Analysis, code: str) -> Iterator[Finding]:
    """What the rule says, suppressed or not."""
    rule = find(code)
    assert rule is not None, code
    if rule.dialects and analysis.file.dialect not in rule.dialects:
        return
    yield from rule.check_file(analysis)
    for net in analysis.nets:
        yield from rule.check_net(net)


def _distinct(edits: list[Edit]) -> list[Edit]:
    """Each edit once: both phases hold the same layer."""
    return list(dict.fromkeys(edits))
