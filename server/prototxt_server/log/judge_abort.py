"""Where Caffe stopped (LOG001): what its last words mean, which rules speak of it, and where in the net that is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from prototxt_net.finding import Finding
from prototxt_server.log.checks import Check, meaning
from prototxt_server.log.record import Abort, Said
from prototxt_server.log.verdict import Note, Verdict
from prototxt_server.log.view import View

_ASKED = ("SIGTERM", "SIGINT", "SIGHUP")
"""Signals by which somebody ends a program."""
_FILE = re.compile(r"ReadProtoFromTextFile.*Failed to parse \w+ file: (\S+)")
_BEHIND = re.compile(r"(?:\s|#[^\n]*)*")


def findings(view: View) -> Iterator[Verdict]:
    """One verdict, or none."""
    abort = view.log.abort
    if abort is None or abort.message in _ASKED:
        return
    said = _said(abort)
    known = meaning(said.message if said is not None else abort.message)
    check = known[0] if known is not None else None
    layer = None if check is not None and check.early else _layer(view, abort, known[1] if known is not None else None)
    because, at = _where(view, abort, said, check, layer)
    if layer is None and because:
        layer = because[0].layer
    rules = check.rules if check is not None else ()
    over = abort.start < view.log.starts
    parts = [_what(abort, said, layer), _words(abort, said)]
    if known is not None and not because:
        parts.append(known[0].says.format(**{name: value or "" for name, value in known[1].groupdict().items()}))
    if rules and not because:
        file = _FILE.search(abort.message)
        parts.append(f"`lsp check {file[1]}` shows the place." if file is not None else _pointer(rules))
        if view.known.analysis is None and file is None:
            parts.append("With --net NET the line of the net is shown.")
    if over:
        parts.append("A later run in the same log went past it.")
    notes = (Note("the parser said so here", said.place),) if said is not None else ()
    yield Verdict(
        "LOG001",
        "info" if over else "error",
        " ".join(part for part in parts if part),
        abort.place,
        layer,
        notes=notes,
        because=() if over else because,
        at=at,
        refused=bool(because) and not over,
    )


def _pointer(rules: Sequence[str]) -> str:
    """Where to read more: rules by their codes, and not by the prefix of a group."""
    codes = [f"`lsp rule {code}`" for code in rules if len(code) > 3][:3]
    return f"See {' or '.join(codes)}." if codes else "`lsp check` on the file shows the place."


def _said(abort: Abort) -> Said | None:
    """What the parser said, where it is the parser that stopped Caffe: its first words (lexer errors come before)."""
    if not abort.parser or "Failed to parse" not in abort.message:
        return None
    return abort.parser[0]


def _layer(view: View, abort: Abort, words: re.Match[str] | None) -> str | None:
    """The layer that the message names; else the one that was being made."""
    if words is not None and "layer" in words.re.groupindex:
        return words["layer"]
    if abort.layer:
        return abort.layer
    blob = words["blob"] if words is not None and "blob" in words.re.groupindex else None
    net = view.known.net(abort.phase)
    if blob is not None and net is not None:
        makers = [node.name for node in net.nodes if any(top is not None and top.name == blob for top in node.tops)]
        return makers[-1] if makers else None
    return None


def _where(
    view: View, abort: Abort, said: Said | None, check: Check | None, layer: str | None
) -> tuple[tuple[Finding, ...], tuple[int, int] | None]:
    """The findings in the net that say why, likeliest first, and the place in the net that is meant."""
    analysis = view.known.analysis
    if analysis is None or (said is not None and said.kind != "NetParameter"):
        return (), None
    refusals = [f for f in analysis.findings if f.caffe_aborts]
    if said is not None:
        there = [f for f in refusals if _stands_at(analysis.source.text, f, said.line)]
        if there:
            return tuple(there[:1]), (there[0].start, there[0].end)
        return (), _line(analysis.source.text, said.line)
    if check is None and layer is not None:
        chosen = [f for f in refusals if f.layer == layer]  # a CHECK that is not known here, at a layer that is
        return (tuple(chosen[:1]), (chosen[0].start, chosen[0].end)) if chosen else ((), None)
    if check is None or not check.rules:
        return (), None
    spoken = [f for f in analysis.findings if f.code.startswith(check.rules)]
    if layer is not None:
        chosen = [f for f in refusals if f.layer == layer] or [f for f in spoken if f.layer == layer]
    else:
        chosen = [f for f in spoken if f.caffe_aborts] or spoken
        if own := _type(abort):
            chosen = [f for f in chosen if f.layer is None or view.known.type(f.layer).lower() == own] or chosen
    if not chosen:
        return (), None
    chosen.sort(key=lambda f: (not f.code.startswith(check.rules), _other_phase(f, abort), f.start))
    return (chosen[0],), (chosen[0].start, chosen[0].end)


def _type(abort: Abort) -> str:
    """The type of the layer, in lower case: of the stack trace, else of the source file that has the CHECK."""
    file = abort.source.partition(":")[0]
    stem = file.partition(".")[0].removeprefix("cudnn_")
    return abort.type.lower() or (stem.removesuffix("_layer").replace("_", "") if stem.endswith("_layer") else "")


def _other_phase(finding: Finding, abort: Abort) -> bool:
    return bool(abort.phase and finding.phases and abort.phase not in finding.phases)


def _stands_at(text: str, finding: Finding, line: int) -> bool:
    """Whether the parser, which complains at the token behind the one at fault, can mean this finding."""
    if finding.code == "SYN002" and line == text.count("\n") + 1:
        return True
    behind = _BEHIND.match(text, finding.end)
    end = behind.end() if behind else finding.end
    return text.count("\n", 0, finding.start) < line <= text.count("\n", 0, end) + 1


def _line(text: str, line: int) -> tuple[int, int] | None:
    """A line of the net without its indentation; None when the net has no such line."""
    rows = text.split("\n")
    if not 0 < line <= len(rows):
        return None
    row = rows[line - 1]
    start = sum(len(before) + 1 for before in rows[: line - 1]) + len(row) - len(row.lstrip())
    return start, max(start + 1, start + len(row.strip()))


def _what(abort: Abort, said: Said | None, layer: str | None) -> str:
    phase = {"TRAIN": " of the train net", "TEST": " of the test net"}.get(abort.phase, "")
    if said is not None or "Failed to parse" in abort.message:
        solver = "SolverParameter" in abort.message or (said is not None and said.kind == "SolverParameter")
        binary = "ReadProtoFromBinaryFile" in abort.message
        return f"Caffe could not read the {'weights' if binary else 'solver' if solver else 'net'}:"
    if layer is not None and (abort.layer == layer or not abort.made):
        return f"Caffe aborted while it set up layer '{layer}'{phase}:"
    if layer is not None:
        return f"Caffe aborted over layer '{layer}':"
    where = f" in a layer of type {abort.type} ({abort.method})" if abort.type and layer is None else ""
    return f"Caffe aborted while it ran{where}:" if abort.made else f"Caffe aborted{where}:"


def _words(abort: Abort, said: Said | None) -> str:
    if said is not None:
        return f"line {said.line}, column {said.column}: {_ended(said.message)}"
    message = abort.message.partition(" (known types: ")[0]
    return _ended(message)


def _ended(message: str) -> str:
    return message if message.endswith((".", "!", "?")) else f"{message}."
