"""What a line of a training log means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_server.assist.markdown import code, plain
from prototxt_server.log import lines
from prototxt_server.log.checks import meaning
from prototxt_server.log.findings import Report
from prototxt_server.log.knowledge import NORMS, STATISTICS
from prototxt_server.log.values import LayerValues

_HEADER = re.compile(rb"\[(?:For|Back)ward\] Layer ([^\s,]+)(?![^\s,]*,)")
_SOURCE = re.compile(rb"\b([a-z_0-9]+\.[ch]pp):(\d+)\]")
MEAN = "mean |x|, the mean absolute value over all elements (no norm: it does not grow with the size of the blob)"


@dataclass(slots=True, frozen=True)
class Spot:
    """Markdown about line[start:end]. layer: the layer that this part of the line names, "" for none."""

    markdown: str
    start: int
    end: int
    layer: str = ""


def spot(report: Report, line: str, column: int, before: str = "") -> Spot | None:
    """What stands at a column of a line; None where there is nothing to say.

    before: the text above, in which the layer of a line of NVIDIA 0.16 (` -> top blob`) stands.
    """
    raw = line.encode("utf-8", "replace")
    at = len(line[:column].encode("utf-8", "replace"))
    for start, end, markdown, layer in _parts(report, raw, before):
        if start <= at <= end:
            first, last = (len(raw[:byte].decode("utf-8", "replace")) for byte in (start, end))
            return Spot(markdown, first, last, layer)
    return None


def _parts(report: Report, raw: bytes, before: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, text, layer) of all that the line holds; a pasted line may hold several."""
    for found in lines.DEBUG.finditer(raw + b"\n"):
        key = lines.key(found[1])
        if key is not None:
            layer, part, blob, diff = key
            start = max(0, raw.rfind(b"[", 0, found.start()))
            yield start, found.end(2), _number(report, layer, part, blob, diff, lines.number(found[2])), layer
    above = before.encode("utf-8", "replace")
    for found in lines.ARROW.finditer(raw + b"\n"):
        headers = [*_HEADER.finditer(above[-4000:] + raw[: found.start()])]
        if found[2] is not None and headers:
            key = lines.key(headers[-1][1] + b", " + found[2] + b" " + found[3].strip(b", "))
            if key is not None:
                layer, part, blob, diff = key
                text = _number(report, layer, part, blob, diff, lines.number(found[4]))
                yield found.start(), found.end(4), text, layer
    for header in _HEADER.finditer(raw):
        layer = lines.text(header[1])
        yield header.start(), header.end(), f"**{plain(layer)}**{_type(report, layer)}: its blobs follow.", layer
    for kind, pattern in lines.MARKERS:
        for found in pattern.finditer(raw + b"\n"):
            text = _marker(report, kind, found, raw)
            if text:
                layer = (
                    lines.text(found[1] or b"")
                    if kind == "creating"
                    else _stopped_at(report)
                    if kind in _LAST_WORDS
                    else ""
                )
                yield found.start(), min(found.end(), len(raw)), text, layer
    for found in _SOURCE.finditer(raw):
        who = report.writer
        if found[1] == b"net.cpp" and who.name:
            yield found.start(), found.end(), f"The line of Caffe's source that prints this. {who.name}: {who.why}.", ""


def _type(report: Report, layer: str) -> str:
    type_ = report.known.type(layer)
    if not type_:
        return ""
    return f" ({plain(type_)})" if report.known.certain(layer) else f" ({plain(type_)}, by its name)"


def _number(report: Report, layer: str, part: str, blob: str, diff: bool, value: float) -> str:
    head = f"**{plain(layer)}**{_type(report, layer)}, "
    if part == "top":
        text = f"{head}output {code(blob)} after this layer: {MEAN}."
    elif part == "bottom":
        text = f"{head}gradient that it hands down to its input {code(blob)}: {MEAN.replace('|x|', '|dx|')}."
    else:
        role = _role(report, layer, blob)
        what = f"parameter blob {plain(blob)}{f' ({role})' if role else ''}"
        text = f"{head}{'gradient of ' if diff else ''}{what}: {MEAN.replace('|x|', '|dw|' if diff else '|w|')}."
        if diff and (role in STATISTICS or (not role and report.known.type(layer) in NORMS)):
            text += "\n\nA running statistic has no gradient: 0 is normal here."
        elif role == "factor":
            text += "\n\nMean and variance are stored times this factor: 0 while nothing was stored, near 1000 later."
    if value == 0 and part != "param":
        text += "\n\n0 means that every element is exactly 0."
    said = _said(report, layer)
    return f"{text}\n\n{said}" if said else text


def _role(report: Report, layer: str, blob: str) -> str:
    for kept in report.log.passes:
        values: LayerValues | None = kept.layers.get(layer)
        if values is not None and blob in values.params:
            return dict(zip(values.params, report.known.roles(values), strict=False)).get(blob, "")
    return ""


def _said(report: Report, layer: str) -> str:
    return "\n\n".join(f"{v.severity} `{v.code}`: {plain(v.message)}" for v in report.verdicts if v.layer == layer)


def _marker(report: Report, kind: str, found: re.Match[bytes], raw: bytes) -> str:
    if kind == "iteration":
        if found[5] is not None:
            return f"A test of net {lines.text(found[5])} begins; the forward passes that follow are of the test net."
        if found[3] == b"lr":
            return "The learning rate in force, before each parameter's lr_mult."
        return (
            "The total loss: the outputs that have a weight, summed; a mean over the last average_loss iterations. "
            "The debug_info lines above belong to this iteration."
        )
    if kind == "output":
        test = raw[: found.start()].endswith(b"Test")
        weight = "" if found[4] else " No weight stands behind it: it does not take part in training."
        mean = "mean over test_iter batches" if test else "of one batch, not averaged"
        return f"Output {code(lines.text(found[2]))} of the {'test' if test else 'train'} net, {mean}.{weight}"
    if kind == "norms":
        return (
            "Norms over all learnable parameters together: the sum of |x| (L1) and the root of that of squares (L2), "
            "of the values and of their gradients. Unlike the lines above these are norms. BatchNorm's statistics, "
            "stored times their factor, are counted too, so a huge data norm is normal with BatchNorm. Logged with "
            "severity E only so that it is seen; it is no error."
        )
    if kind == "update":
        return "What the solver is about to subtract; only Caffe up to rc2 prints such lines."
    if kind == "backward":
        return (
            "Whether back-propagation reaches the layer: some parameter of it or below it has an lr_mult other than 0."
        )
    if kind in _LAST_WORDS:
        return _last_words(("Check failed: " if kind == "check" else "") + lines.text(found[_LAST_WORDS[kind]]))
    if kind == "made" or (kind == "creating" and found[1] is not None):
        return (
            "Caffe begins to make this layer: a CHECK that fails before the next such line is about it."
            if kind == "creating"
            else "The net stands: from here on it runs, and a CHECK that fails is no longer about one layer's set-up."
        )
    return ""


_LAST_WORDS = {"fatal": 2, "check": 1, "parser": 4, "signal": 1}
"""Kinds of lines with which Caffe ends, and the group of the words."""


def _last_words(message: str) -> str:
    """What Caffe says when it stops."""
    known = meaning(message)
    parts = ["Caffe aborted here."]
    if known is not None:
        check, found = known
        parts.append(check.says.format(**{name: value or "" for name, value in found.groupdict().items()}))
        codes = [code for code in check.rules if len(code) > 3]
        if codes:
            parts.append(f"Rules that speak of it: {', '.join(f'`{code}`' for code in codes)}.")
    return "\n\n".join(parts)


def _stopped_at(report: Report) -> str:
    return next((verdict.layer or "" for verdict in report.verdicts if verdict.code == "LOG001"), "")
