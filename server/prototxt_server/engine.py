"""Text -> findings. Pure: no I/O, no global state but memos that depend on the text alone; never raises on any text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prototxt_grammar import Tree, parse
from prototxt_grammar.edits import newline_of
from prototxt_net import dialect as dialects
from prototxt_net.file import Layer, NetFile
from prototxt_net.finding import SEVERITIES, SIZES, Finding, Fix, Problem, Related
from prototxt_net.graph import connect
from prototxt_net.net import Node, Phase, PhaseNet
from prototxt_net.phases import State, active_phases, filtered, merged_state
from prototxt_net.read import file_kind, layer_in, read
from prototxt_net.schema.load import schema
from prototxt_net.setup import set_up, set_up_layer, share_params
from prototxt_net.shape import Shape
from prototxt_net.solver import INLINE, inline_nets
from prototxt_server import suppress
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.folding import fold
from prototxt_server.rules.base import ProblemRule, find
from prototxt_server.rules.catalogue import load_all
from prototxt_server.rules.selection import active_codes, active_rules, linked_rules

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked

DOCS_URL = "https://github.com/prototxt-lsp/prototxt-lsp/blob/main/docs/rules/"


def analyze(
    source: Source,
    settings: Settings = Settings(),  # noqa: B008
    previous: Analysis | None = None,
    linked: Linked | None = None,
) -> Analysis:
    """Everything the rules have to say about one text.

    previous: the analysis of an earlier version of the same text; blocks that did not change are not read again. The
    result is the same with and without it. linked: the files that this one belongs with (`prototxt_server.linked`
    gathers them from an analysis made without); None keeps the rules about several files silent. Raises KeyError when
    `settings.dialect` names no dialect.
    """
    load_all()  # before the first look at a layer, which asks it for the marks of all rules at once
    analysis = understand(source, settings, previous)
    analysis.linked = linked
    analysis.findings = _findings(analysis)
    return analysis


def understand(source: Source, settings: Settings, previous: Analysis | None = None) -> Analysis:
    """The text read, its nets built, and no rule asked yet; see `analyze`."""
    if previous is not None and previous.source == source and previous.settings == settings:
        old = previous
        return Analysis(
            source, settings, old.tree, old.file, old.nets, [], old.dialect_evidence, cache=old.cache
        )  # fmt: skip
    tree = parse(source.text, previous.tree if previous else None)
    kind = file_kind(tree)
    if settings.dialect == "auto":
        verdict = dialects.detect(tree, kind)
    else:
        verdict = dialects.Verdict(settings.dialect, "as told")
    file = read(tree, verdict.dialect, kind)
    analysis = Analysis(source, settings, tree, file, [], [], verdict.why)
    if kind == "net":
        analysis.nets = build(file, settings)
        if verdict.others:
            _prefer_one_that_sets_up(analysis, verdict)
    elif any(name in file.root.entries for name in INLINE):
        analysis.nets = [net_in(net, state, dict(settings.shapes)) for net, state in inline_nets(file)]
    return analysis


def _prefer_one_that_sets_up(analysis: Analysis, verdict: dialects.Verdict) -> None:
    """Where forks read a file equally well, it was written for one whose Caffe builds its nets."""
    refused = [node for net in analysis.nets for node in net.nodes if _aborts(node.setup.problems)]
    if not refused:
        return
    tree, kind = analysis.tree, analysis.file.kind
    aborts = sum(_aborts(node.setup.problems) for node in refused)
    for dialect in verdict.others:
        # First the layers at fault alone, because the rest of the file has not been read for this dialect.
        if _aborts_of(refused, tree, dialect) >= aborts or not dialects.reads_as_well(tree, dialect, kind, verdict):
            continue
        file = read(tree, dialect, kind)
        nets = build(file, analysis.settings)
        fewer = sum(_aborts(node.setup.problems) for net in nets for node in net.nodes)
        if fewer < aborts:
            aborts = fewer
            analysis.file, analysis.nets = file, nets
            analysis.dialect_evidence = f"{verdict.dialect} reads it too, but aborts on a net that {dialect} sets up"
        if not fewer:
            return


def _aborts(problems: tuple[Problem, ...]) -> int:
    return sum(problem.aborts for problem in problems)


def _aborts_of(nodes: list[Node], tree: Tree, dialect: str) -> int:
    """How many times the Caffe of a dialect aborts while it sets up layers of another's net, on bottoms as they are."""
    count = 0
    for node in nodes:
        definition = layer_in(tree, node.layer, dialect)
        bottoms = tuple([None if blob is None else blob.shape for blob in node.bottoms])
        if definition is not None:
            count += _aborts(set_up_layer(definition, bottoms, schema(dialect)).problems)
    return count


def build(file: NetFile, settings: Settings) -> list[PhaseNet]:
    """The nets of the phases that `settings` asks for, connected and set up."""
    stages = frozenset(settings.stages)
    given = dict(settings.shapes)
    both: list[Phase] = ["TRAIN", "TEST"]
    if settings.phase == "auto":
        phases = active_phases(file, settings.level, stages)
    else:
        phases = both if settings.phase == "all" else [p for p in both if p == settings.phase]
    nets: list[PhaseNet] = []
    kept: list[list[Layer]] = []
    for phase in phases:
        state = merged_state(file, State(phase, settings.level, stages))
        if settings.phase not in ("auto", "all"):  # as the Net of `caffe test` and pycaffe: what is asked for wins
            state = state._replace(phase=phase, level=settings.level or state.level)
        layers = filtered(file, state)
        twin = next((net for net, same in zip(nets, kept, strict=True) if same == layers), None)
        if twin is not None:  # no rule tells the phases apart: one graph serves both
            net = PhaseNet(
                file, state.phase, state.level, state.stages, twin.nodes, twin.problems, given, twin.facts
            )  # fmt: skip
            net.__dict__["by_type"] = twin.by_type
        else:
            net = net_in(file, state, given, layers)
        nets.append(net)
        kept.append(layers)
    return nets


def net_in(
    file: NetFile, state: State, given: dict[str, Shape] | None = None, layers: list[Layer] | None = None
) -> PhaseNet:
    """The net that Caffe builds in a state, connected and set up. layers: those of that state, where they are known."""
    net = set_up(connect(file, state, given or {}, layers))
    share_params(net)
    return net


# -- findings ------------------------------------------------------------------------------------------------------
def _findings(analysis: Analysis) -> list[Finding]:
    settings = analysis.settings
    dialect = analysis.file.dialect
    found: dict[tuple[object, ...], tuple[Finding, list[str]]] = {}
    worst: dict[tuple[object, ...], int] = {}
    own = analysis.cache.get(_OWN)
    if not isinstance(own, list):
        own = analysis.cache[_OWN] = list(_raw_findings(analysis))
    if analysis.linked is not None:
        own = [(finding, phases) for finding, phases in own if _stands(finding, analysis.linked)]
    for finding, phases in (*own, *_linked_findings(analysis)):
        rank = _RANK[finding.severity]
        place = (finding.code, finding.start, finding.end)
        worst[place] = min(worst.get(place, rank), rank)
        _, seen = found.setdefault((*place, finding.message, rank), (finding, []))
        seen.extend(phase for phase in phases if phase not in seen)
    result = [
        Finding(
            f.code, f.name, f.severity, f.message, f.start, f.end, f.layer, tuple(phases), dialect, f.caffe_aborts,
            _with_line_ends_of(analysis.tree.text, f.fix), f.related, f"{DOCS_URL}{f.code}.md",
        )
        for f, phases in found.values()
        # the same defect, milder in the other phase, is said once
        if _RANK[f.severity] == worst[f.code, f.start, f.end]
    ]  # fmt: skip
    if analysis.file.kind == "solver" and analysis.nets:
        result = _kept_inside(analysis.file, result)
    result.sort(key=lambda f: (f.start, f.end, f.code))
    known = active_codes(settings.select, settings.extend_select, settings.ignore)
    return fold(suppress.apply(result, analysis, known))


def _stands(finding: Finding, linked: Linked) -> bool:
    rule = find(finding.code)
    return rule is None or rule.stands(finding, linked)


_OWN = "own findings"
"""Key of what the rules about this file alone have said, for an analysis of the same text beside other files."""


def _kept_inside(file: NetFile, findings: list[Finding]) -> list[Finding]:
    """Fixes of a net that stands in a solver that would write outside of it, at the end of the file, are left out."""
    spans = []
    for entry in (entry for name in INLINE for entry in file.root.entries.get(name, ())):
        base = file.base_of(entry)
        spans.append((base + entry.node.start, base + entry.node.end))
    result = []
    for finding in findings:
        span = next((s for s in spans if s[0] <= finding.start < s[1]), None)
        edits = finding.fix.edits if finding.fix is not None else ()
        outside = span is not None and any(edit.start <= span[0] or edit.end >= span[1] for edit in edits)
        result.append(finding._replace(fix=None) if outside else finding)
    return result


def _with_line_ends_of(text: str, fix: Fix | None) -> Fix | None:
    """The fix in the line ends of its text; rules write LF."""
    if fix is None or not any("\n" in edit.content for edit in fix.edits) or newline_of(text) == "\n":
        return fix
    edits = (edit._replace(content=edit.content.replace("\r\n", "\n").replace("\n", "\r\n")) for edit in fix.edits)
    return fix._replace(edits=tuple(edits))


_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


def _raw_findings(analysis: Analysis) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """Findings of all sources with the phases they hold in; several may be the same defect."""
    settings = analysis.settings
    rules, fed = active_rules(settings.select, settings.extend_select, settings.ignore)
    dialect = analysis.file.dialect
    for problem in analysis.file.problems:
        yield from _from_problem(analysis, fed, problem, None, ())
    for net, phases in _graphs(analysis.nets):
        for problem in net.problems:
            yield from _from_problem(analysis, fed, problem, None, phases)
        for node in net.nodes:
            if node.setup.problems:
                for problem in node.setup.problems:
                    if "missing" in problem.data and _follows(analysis, node, problem):
                        continue
                    yield from _from_problem(analysis, fed, problem.shifted(node.layer.base), node, phases)
    for rule in rules:
        if rule.dialects and dialect not in rule.dialects:
            continue
        for net in analysis.nets:
            for finding in rule.check_net(net):
                yield finding, finding.phases or (net.phase,)
        for finding in rule.check_file(analysis):
            yield finding, finding.phases


def _linked_findings(analysis: Analysis) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """What the rules about several files say, where these were looked for."""
    settings = analysis.settings
    if analysis.linked is not None:
        for rule in linked_rules(settings.select, settings.extend_select, settings.ignore):
            if not rule.dialects or analysis.file.dialect in rule.dialects:
                for finding in rule.check_linked(analysis, analysis.linked):
                    yield finding, finding.phases


def _graphs(nets: list[PhaseNet]) -> list[tuple[PhaseNet, tuple[str, ...]]]:
    """The nets with different nodes, each with the phases that it serves."""
    found: dict[int, tuple[PhaseNet, tuple[str, ...]]] = {}
    for net in nets:
        first, phases = found.get(id(net.nodes), (net, ()))
        found[id(net.nodes)] = first, (*phases, net.phase)
    return list(found.values())


def _from_problem(
    analysis: Analysis,
    fed: dict[str, tuple[ProblemRule, ...]],
    problem: Problem,
    node: Node | None,
    phases: tuple[str, ...],
) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    for rule in fed.get(problem.code, ()):
        if not rule.takes(analysis, problem):
            continue
        layer = node.name if node is not None else _layer_name(analysis, problem)
        more, places = _cause(node, problem)
        yield Finding(
            rule.code, rule.name, rule.severity_of(analysis, problem), problem.message + more, problem.start,
            problem.end, layer, phases, caffe_aborts=problem.aborts, fix=rule.fix(analysis, node, problem),
            related=problem.related + places,
        ), phases  # fmt: skip
        return


def _follows(analysis: Analysis, node: Node, problem: Problem) -> bool:
    """Whether a layer lacks a field only because it, its name or its value cannot be read, which is said there."""
    missing = problem.data["missing"]
    start, end = node.layer.span()
    if any(start <= base + found.start < end for base, found in analysis.tree.problems()):
        return True  # the layer is not all there yet
    for other in analysis.file.problems:
        if start <= other.start < end and isinstance(missing, tuple):
            near = str(other.data.get("near", ""))
            if near in missing or other.data.get("field") in missing or near.endswith("_param"):
                return True
    return False


def _cause(node: Node | None, problem: Problem) -> tuple[str, tuple[Related, ...]]:
    """What the message goes on to say about the sizes that the problem names, and where they were set."""
    if node is None or not problem.data or SIZES.isdisjoint(problem.data):
        return "", ()
    from prototxt_server.causes import cause

    return cause(node, problem)


def _layer_name(analysis: Analysis, problem: Problem) -> str | None:
    """The name of the layer that the problem stands in."""
    spans = analysis.cache.get("layer spans")
    if not isinstance(spans, list):
        files = {id(net.file): net.file for net in analysis.nets} | {id(analysis.file): analysis.file}
        spans = analysis.cache["layer spans"] = sorted(
            (*layer.span(), layer.name) for file in files.values() for layer in file.layers
        )
    at = bisect_right(spans, (problem.start, len(analysis.tree.text) + 1)) - 1
    if at < 0:
        return None
    _, end, name = spans[at]
    return str(name) if problem.start < end else None
