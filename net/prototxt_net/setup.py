"""Setting up the layers of a phase in file order: general CHECKs, then each entry's own, then the shapes of the tops.

A set-up depends on the layer's text, its bottoms' shapes and the dialect (no layer's shapes or parameters depend on
the phase), and is remembered under these; a keystroke repeats it for the layers whose input changed.
"""

from __future__ import annotations

from contextlib import suppress

from prototxt_net.file import LayerDef
from prototxt_net.finding import Problem, Related
from prototxt_net.layers import Context, LayerType, Refused, entry_of
from prototxt_net.marks import mark
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet, SetUp
from prototxt_net.schema import load
from prototxt_net.schema.model import Schema
from prototxt_net.shape import Shape, product, same, same_shape, text
from prototxt_net.words import count, nearest


def set_up(net: PhaseNet) -> PhaseNet:
    """Fill `setup` of every node and `shape` of every blob version. Never raises."""
    schema = net.file.schema
    given = net.given
    for node in net.nodes:
        definition = node.layer.definition
        bottoms = tuple([None if blob is None else blob.shape for blob in node.bottoms])
        found = node.setup = definition.set_ups.get(bottoms) or set_up_layer(definition, bottoms, schema)
        for blob, shape in zip(node.tops, found.tops, strict=False):
            blob.shape = shape
        if given and not bottoms:
            for blob in node.tops:
                blob.shape = given.get(blob.name, blob.shape)
            if all(blob.name in given for blob in node.tops):
                node.setup = _stood_in_for(found)
    for node in net.marked(_weighs_tops):
        _check_loss_weights(net, node)
    return net


def _stood_in_for(source: SetUp) -> SetUp:
    """A source whose tops all have given shapes: what it would have to read is the caller's business."""
    kept = tuple(problem for problem in source.problems if problem.code not in ("DAT007", "DAT014"))
    return SetUp(source.tops, source.params, source.macs, kept)


@mark
def _weighs_tops(definition: LayerDef) -> bool:
    return "loss_weight" in definition.bound.entries


def _check_loss_weights(net: PhaseNet, node: Node) -> None:
    """Layer::SetLossWeights: none, or one for each top. A Split behind a weighted top takes all of them away before."""
    definition = node.layer.definition
    written = definition.bound.entries["loss_weight"]
    entry = entry_of(definition.type, net.dialect)
    if entry is None or any(top.readers and weight.value for top, weight in zip(node.tops, written, strict=False)):
        return
    given, tops = len(written), len(node.tops)
    wanted = max(tops, entry.top_count(definition)[0]) if entry.auto_top else tops
    if given != wanted:
        start, end = node.layer.at("loss_weight")
        net.problems.append(
            Problem(
                "NET017",
                f"'{node.name}' has {count(given, 'loss_weight value')} for {count(wanted, 'top')}; Caffe aborts. Give "
                "none, or one for each top.",
                start,
                end,
                data={"node": node, "given": given, "wanted": wanted},
            )
        )


_REMEMBERED = 8
"""So many set-ups are kept for one layer: typing a number above it gives it a new shape with each digit."""


def set_up_layer(definition: LayerDef, bottoms: tuple[Shape | None, ...], schema: Schema) -> SetUp:
    """The set-up of one layer over bottoms of these shapes. `schema` is the one that the layer was read with."""
    known = definition.set_ups
    found = known.get(bottoms)
    if found is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[bottoms] = _set_up(definition, bottoms, schema)
    return found


def _set_up(definition: LayerDef, bottoms: tuple[Shape | None, ...], schema: Schema) -> SetUp:
    context = Context(definition, bottoms, schema.dialect)
    entry = entry_of(definition.type, schema.dialect)
    tops = len(definition.tops)
    if not _type_known(context, schema):
        return context.result(tops)
    if entry is None:
        return context.result(tops)
    if _counts_hold(context, entry):
        with suppress(Refused):
            entry.set_up(context)
    result = context.result(tops)
    extra = _parameter_specs(context, entry, result)
    problems = tuple({(p.code, p.start, p.end, p.message): p for p in (*result.problems, *extra)}.values())
    made = (None,) * tops if definition.unread else result.tops
    if definition.unfinished:
        problems = ()  # that it is not closed is said already
    return SetUp(made, result.params, result.macs, problems)


def _type_known(s: Context, schema: Schema) -> bool:
    """Whether this dialect registers the type; reports SCH003 or SCH012 when it certainly does not."""
    type_ = s.layer.type
    if type_ in schema.layer_types:
        return True
    if type_ == "Input" and s.layer.node.name == "input":
        return True  # stands for the legacy `input` fields, which old forks read without such a layer
    written = s.layer.bound.entry("type")
    if written is not None and not written.ok:
        return False  # the value itself was refused already
    if not type_:
        s.expect(
            False,
            "SCH012",
            f"layer '{s.layer.name}' has no type: Caffe aborts with \"Unknown layer type: \". Add `type`.",
            data={"missing": ("type",)},
        )
        return False
    if not schema.layer_types_known:
        return True
    begun = (name for name in schema.layer_types if len(name) > 3 and type_.lower().startswith(name.lower()))
    near = nearest(type_, schema.layer_types) or max(begun, key=len, default="")
    elsewhere = tuple(d for d in load.dialects_with_layer_type(type_) if d != schema.dialect)
    message = f"layer '{s.layer.name}': type `{type_}` is not registered in {schema.dialect}, so Caffe aborts when it "
    message += "builds the net."
    if elsewhere:
        shown = ", ".join(elsewhere[:4]) + (f" and {len(elsewhere) - 4} more" if len(elsewhere) > 4 else "")
        message += f" {shown} {'has' if len(elsewhere) == 1 else 'have'} it."
    elif near:
        message += f" Did you mean `{near}`?"
    else:
        message += " No known Caffe has it. If yours does, list it under `custom-layers` in the configuration."
    s.expect(
        False, "SCH003", message, "type", data={"near": "" if elsewhere else near, "dialects": elsewhere, "type": type_}
    )
    return False


def _range(low: int, high: int | None, noun: str) -> str:
    if high == 0:
        return f"no {noun}s"
    if high is None:
        return f"at least {count(low, noun)}"
    return count(low, noun) if low == high else f"{low} to {count(high, noun)}"


def _give_or_delete(given: int, low: int, noun: str) -> str:
    """What to do about a number of bottoms or tops that is not allowed."""
    return f"Give {count(low - given, f'more {noun}')}." if given < low else f"Delete the surplus {noun}s."


def _counts_hold(s: Context, entry: LayerType) -> bool:
    """Layer::CheckBlobCounts, SetLossWeights and Net::AppendBottom's counts. False when set-up would not be reached."""
    layer = s.layer
    n, m = len(layer.bottoms), len(layer.tops)
    low, high = entry.bottom_count(layer)
    good = n >= low and (high is None or n <= high)
    if not good:
        s.expect(
            False,
            "SHP001",
            f"{layer.type} '{layer.name}' takes {_range(low, high, 'bottom')}, {n} given; Caffe aborts. "
            + _give_or_delete(n, low, "bottom"),
            "bottom",
            data={"missing": ("bottom",)} if n < low else None,
        )
    low, high = entry.top_count(layer)
    made = max(m, low) if entry.auto_top else m
    if made < low or (high is not None and made > high):
        good = s.expect(
            False,
            "SHP002",
            f"{layer.type} '{layer.name}' makes {_range(low, high, 'top')}, {m} given; Caffe aborts. "
            + _give_or_delete(m, low, "top"),
            "top",
            data={"missing": ("top",)} if made < low else None,
        )
    if entry.equal and good and n != made:
        good = s.expect(
            False,
            "SHP002",
            f"{layer.type} '{layer.name}' makes one top for each bottom; with {count(n, 'bottom')} and "
            f"{count(m, 'top')} Caffe aborts. Make them equally many.",
            "top",
        )
    entries = layer.bound.entries
    down = len(entries.get("propagate_down", ()))
    if down not in (0, n):
        good = s.expect(
            False,
            "FRZ004",
            f"'{layer.name}' has {count(down, 'propagate_down value')} for {count(n, 'bottom')}; Caffe aborts. Give "
            "none, or one for each bottom.",
            "propagate_down",
            data={"given": down, "wanted": n},
        )
    return good


def _parameter_specs(s: Context, entry: LayerType, result: SetUp) -> list[Problem]:
    """Net::Init: no more `param` blocks than the layer has blobs (reported by BN005 for batch normalisation)."""
    given = len(s.layer.bound.entries.get("param", ()))
    have = len(result.params)
    if given <= have or s.layer.unread or any(problem.aborts for problem in result.problems):
        return []
    code = "BN005" if s.layer.type in ("BatchNorm", "BN") else "NET012"
    start, end = s.place(f"param.{have}")
    return [
        Problem(
            code,
            f"'{s.layer.name}' has {count(given, 'param block')} for {count(have, 'parameter blob')}; Caffe aborts "
            f'with "Too many params specified for layer {s.layer.name}". Delete the surplus.',
            start,
            end,
            data={"have": have, "given": given},
        )
    ]


@mark
def _names_a_parameter(definition: LayerDef) -> bool:
    return any(spec.value.get("name") for spec in definition.bound.entries.get("param", ()))


def share_params(net: PhaseNet) -> None:
    """Net::AppendParam for named parameters: shapes (or counts, PERMISSIVE) and multipliers must agree.

    The first layer owns the blob. A multiplier that it does not state is that of the first layer which does.
    """
    owners: dict[str, tuple[Node, int]] = {}
    stated: dict[tuple[str, str], tuple[Node, int]] = {}
    for node in net.marked(_names_a_parameter):
        specs = node.layer.definition.bound.entries["param"]
        for index, spec in enumerate(specs[: len(node.setup.params)]):
            name = spec.value.get("name")
            if not name:
                continue
            owner = owners.setdefault(name, (node, index))
            if owner != (node, index):
                _check_shape(net, name, owner, (node, index))
            for field in ("lr_mult", "decay_mult"):
                if spec.value.has(field):
                    first = stated.setdefault((name, field), (node, index))
                    _check_multiplier(net, name, field, first, (node, index))


def _spec(where: tuple[Node, int]) -> Bound:
    node, index = where
    spec: Bound = node.layer.bound.entries["param"][index].value
    return spec


def _clash(
    name: str, first: tuple[Node, int], second: tuple[Node, int], what: str, note: str, **data: object
) -> Problem:
    (a, i), (b, j) = first, second
    start, end = b.layer.at(f"param.{j}.name") if j == 0 else b.layer.at("param", j)
    there = a.layer.at(f"param.{i}.name") if i == 0 else a.layer.at("param", i)
    more = {"owner": a, "node": b, "name": name, "index": j, **data}
    message = f"'{a.name}' and '{b.name}' share '{name}' but {what}"
    return Problem("FRZ010" if data else "FRZ011", message, start, end, related=(Related(note, *there),), data=more)


def _check_shape(net: PhaseNet, name: str, owner: tuple[Node, int], sharer: tuple[Node, int]) -> None:
    (a, i), (b, j) = owner, sharer
    first, second = a.setup.params[i].shape, b.setup.params[j].shape
    if first is None or second is None:
        return
    permissive = _spec(sharer).get("share_mode") == "PERMISSIVE"
    equal = same(product(first), product(second)) if permissive else same_shape(first, second)
    if equal is False:
        what = f"need {text(first)} and {text(second)}; Caffe aborts. Use two names, or equal shapes."
        net.problems.append(_clash(name, owner, sharer, what, f"'{a.name}' owns '{name}' ({text(first)})"))


def _check_multiplier(net: PhaseNet, name: str, field: str, first: tuple[Node, int], other: tuple[Node, int]) -> None:
    x, y = _spec(first).get(field), _spec(other).get(field)
    if x != y:
        what = f"give {field} {x:g} and {y:g}; Caffe aborts. Give the same value, or only one."
        note = f"'{first[0].name}' gives {field} {x:g}"
        net.problems.append(_clash(name, first, other, what, note, field=field))
