"""The texts themselves (Markdown): of a field, an enum value, a layer, a blob, a rule."""

from __future__ import annotations

import inspect

from prototxt_net.file import Layer
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.schema import load
from prototxt_net.schema.declaration import write_value
from prototxt_net.schema.model import FieldType, Schema
from prototxt_net.shape import product
from prototxt_net.shape import text as shape_text
from prototxt_server.analysis import Analysis
from prototxt_server.assist import blobs
from prototxt_server.assist.batch import Batch, long
from prototxt_server.assist.locate import Step
from prototxt_server.assist.markdown import cell, code, plain
from prototxt_server.assist.numbers import grouped, short
from prototxt_server.rules.base import Rule

_MANY = 8


def field(dialect: str, step: Step) -> str:
    """A field: its declaration, what it does, which dialects have it."""
    name, declared = step.field.name, step.type
    if declared is None:
        return _unknown_field(dialect, step)
    lines = [f"**{name}** · `{_type(declared)}` of `{step.message}`"]
    if declared.deprecated:
        lines.append("*Deprecated.*")
    lines.append(load.field_doc(dialect, step.message, name))
    default = _default(declared)
    if default:
        lines.append(f"Default: `{default}`")
    having = load.dialects_with_field(step.message, name)
    lines.append(f"Dialects: {_dialects(having)}")
    return "\n\n".join(lines)


def _unknown_field(dialect: str, step: Step) -> str:
    name = step.field.name
    if not step.message:
        return f"**{name}**: what it belongs to is unknown to {dialect}."
    having = load.dialects_with_field(step.message, name)
    tail = f"These have it: {_dialects(having)}." if having else "No dialect has it."
    return f"**{name}**: `{step.message}` has no such field in {dialect}. {tail}"


def _type(declared: FieldType) -> str:
    label = "repeated " if declared.repeated else "required " if declared.required else ""
    return label + (declared.type_name or declared.kind)


def _default(declared: FieldType) -> str:
    if declared.repeated or declared.kind == "message" or declared.default in (None, "", b""):
        return ""
    return write_value(declared.kind, declared.default)


def _dialects(names: tuple[str, ...]) -> str:
    if len(names) == len(load.DIALECTS):
        return "all"
    if len(names) > len(load.DIALECTS) // 2:
        lacking = [name for name in load.DIALECTS if name not in names]
        if len(lacking) <= _MANY:
            return "all but " + ", ".join(lacking)
    rest = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {rest} more" if rest > 0 else "")


def enum_value(schema: Schema, enum: str, word: str) -> str | None:
    """A value of an enum, given by name or number; None when the enum has no such value."""
    known = schema.enums.get(enum)
    if known is None:
        return None
    name = next((name for name, number in known.values.items() if word in (name, str(number))), None)
    if name is None:
        return None
    others = ", ".join(f"`{other}`" for other in known.values if other != name)
    doc = load.enum_value_doc(schema.dialect, enum, name)
    tail = f"\n\nOther values: {others}" if others else ""
    return f"**{name}** = {known.values[name]} · `{enum}`\n\n{doc}{tail}"


def layer_type(name: str, dialect: str) -> str:
    """A layer type: what it does, and its formula."""
    entry = entry_of(name, dialect)
    if entry is None:
        return ""
    return "\n\n".join(part for part in (entry.summary, f"`{entry.formula}`" if entry.formula else "") if part)


def layer(analysis: Analysis, layer: Layer, batch: Batch | None = None) -> str:
    """A layer: its type, the shapes, parameters and cost that it has in each phase, what the last batch put out."""
    head = f"**{plain(layer.name) or '(no name)'}** · {plain(layer.type) or '(no type)'}"
    parts = [head, layer_type(layer.type, analysis.file.schema.dialect)]
    nodes = list(blobs.nodes_of(analysis, layer))
    if analysis.nets and not nodes:
        parts.append("Not in the net of " + " or ".join(net.phase for net in analysis.nets) + ".")
    texts = by_phase([net for net, _ in nodes], [_node(node) for _, node in nodes])
    parts += [f"**{phases}**\n\n{text}" if phases else text for phases, text in texts]
    for net, node in nodes:
        for index, top in enumerate(node.tops):
            parts.append(_measured(batch, net, node, index, f" of {code(top.name)}" if len(node.tops) > 1 else ""))
    return "\n\n".join(part for part in parts if part)


def _measured(batch: Batch | None, net: PhaseNet, node: Node, index: int, whose: str = "") -> str:
    top = batch.top(net, node, index) if batch else None
    return f"Last batch{whose} ({batch.where}): {long(top)}" if batch and top else ""


def _node(node: Node) -> str:
    rows = ["| | | shape |", "|---|---|---|"]
    for name, bottom in zip(node.layer.bottoms, node.bottoms, strict=False):
        rows.append(f"| bottom | {cell(name)} | {shape_text(bottom.shape) if bottom is not None else 'missing'} |")
    for top in node.tops:
        rows.append(f"| top | {cell(top.name)} | {shape_text(top.shape)} |")
    for blob in node.setup.params:
        rows.append(f"| {'statistic' if blob.statistic else 'parameter'} | {blob.role} | {shape_text(blob.shape)} |")
    facts = []
    if node.setup.params:
        count = blobs.parameters(node)
        facts.append("parameters: " + ("?" if count is None else grouped(count)))
    macs = node.setup.macs
    if macs:
        facts.append("multiply-adds: " + (short(macs) if isinstance(macs, int) else "?"))
    return "\n".join(rows) + ("\n\n" + ", ".join(facts) if facts else "")


def blob(use: blobs.Use, batch: Batch | None = None) -> str:
    """A blob version: its shape, its place in the in-place chain, who writes and who reads it, in each phase; what the
    last batch put into it.
    """
    head = f"**{plain(use.name)}** · blob"
    if not use.blobs:
        why = "no layer above writes it" if use.role == "bottom" else "its layer is in no phase that is looked at"
        return f"{head}\n\nUnknown: {why}."
    texts = by_phase([net for net, _ in use.blobs], [_version(version) for _, version in use.blobs])
    parts = [head, *(f"**{phases}**\n\n{text}" if phases else text for phases, text in texts)]
    parts += [_measured(batch, net, version.producer, version.top_index) for net, version in use.blobs]
    return "\n\n".join(filter(None, parts))


def _version(version: Blob) -> str:
    lines = []
    count = None if version.shape is None else product(version.shape)
    values = f" ({grouped(count)} values)" if isinstance(count, int) else ""
    lines.append(f"Shape: `{shape_text(version.shape)}`{values}")
    versions = blobs.chain(version)
    if len(versions) > 1:
        order = " → ".join(
            f"**{plain(other.producer.name)}**" if other is version else plain(other.producer.name)
            for other in versions
        )
        lines.append(f"Version {versions.index(version) + 1} of {len(versions)} on the same storage: {order}")
    writer = version.producer
    lines.append(f"Written by {_layer(writer)}")
    readers = [_layer(node) for node, _ in version.readers]
    lines.append("Read by " + _some(readers) if readers else "Read by nobody: an output of the net")
    return "\n\n".join(lines)


def _layer(node: Node) -> str:
    return f"{plain(node.name)} ({plain(node.type)})"


def _some(names: list[str]) -> str:
    rest = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {rest} more" if rest > 0 else "")


def by_phase(nets: list[PhaseNet], texts: list[str]) -> list[tuple[str, str]]:
    """Each different text once, with the phases it holds in ("" where there is only one text)."""
    phases: dict[str, list[str]] = {}
    for net, text in zip(nets, texts, strict=True):
        phases.setdefault(text, []).append(net.phase)
    return [("" if len(phases) == 1 else ", ".join(names), text) for text, names in phases.items()]


def rule(rule: Rule) -> str:
    """A rule: its documentation as its class states it."""
    head = f"**{rule.code}** {rule.name} · {rule.severity}"
    return f"{head}\n\n{inspect.cleandoc(type(rule).__doc__ or '')}"
