"""What the tops and parameters of a pass tell: DYN001, DYN002, DYN003, DYN010, DYN012, DYN013.

The same rules that a forward run of ours speaks for, from less: a log has one number a blob, mean |x|. It proves a zero
(every element is 0) and a value that is not finite; it does not show signs, single channels or the largest element.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_net.finding import Severity
from prototxt_net.zeros import fate
from prototxt_server.log.knowledge import NORMS, STATISTICS
from prototxt_server.log.values import LayerValues, Pass, Value
from prototxt_server.log.verdict import Note, Verdict
from prototxt_server.log.view import View, figure, layers, when

GROWTH = 1e4
LARGE = 1e6
HOPELESS = 1e30
VANISHED = 1e-6
MANY = 4
DATA_CAUSES = ("DAT001", "INI003", "INI004", "INI005", "INI010")
FILLER_CAUSES = ("INI001", "INI002")
GAMMA_CAUSES = ("BN031", "BN022", "BN041", "BN038")
STATISTICS_CAUSES = ("BN010", "BN030", "BN013", "BN016", "BN018")


def findings(view: View) -> Iterator[Verdict]:
    """Pass by pass, each trouble once, where it shows first."""
    for kept in view.log.passes:
        yield from _empty_statistics(view, kept)
        yield from _nonfinite(view, kept)
        yield from _zeros(view, kept)
        yield from _growth(view, kept)


# -- stored statistics that nothing was stored into ----------------------------------------------------------------
def _empty(view: View, values: LayerValues) -> bool:
    if view.known.type(values.name) not in NORMS or not values.tops:
        return False
    roles = dict(zip(view.known.roles(values), values.params.values(), strict=False))
    if "gamma" in roles and roles["gamma"].number == 0:
        return False
    if "factor" in roles and "gamma" not in roles:
        return roles["factor"].number == 0
    return "variance" in roles and roles["variance"].number == 0 and roles["mean"].number == 0


def _empty_statistics(view: View, kept: Pass) -> Iterator[Verdict]:
    empty = [values for values in kept.layers.values() if _empty(view, values)]
    if not empty:
        return
    first = empty[0]
    blob, top = next(iter(first.tops.items()))
    inputs = view.known.inputs(first, kept)
    gain = top.number / inputs[0][1].number if inputs and inputs[0][1].number else math.nan
    if gain < 10:
        return  # whatever it used, it was not empty statistics
    later = [v for layer, _, v in kept.tops() if not view.known.is_source(layer, kept)]
    broken = next((layer.name for layer, _, v in kept.tops() if not math.isfinite(v.number)), None)
    worst = max((v.number for v in later if math.isfinite(v.number)), default=0.0)
    more = len(empty) - 1
    others = f" and {more} more BatchNorm {'layers' if more > 1 else 'layer'}" if more else ""
    how = f"each multiply by {figure(gain)}" if others else f"multiplies by {figure(gain)}"
    if math.isnan(gain):
        how = "multiply by 1/sqrt(eps)" if others else "multiplies by 1/sqrt(eps)"
    outcome = f"; '{broken}' is the first to hold NaN or Inf" if broken else f"; mean |x| reaches {worst:.3g}"
    view.explain_from(kept, first.name)
    if broken:
        view.first_time("DYN001", "")  # NaN in later passes comes from here, through the update
    if not view.first_time("DYN012", first.name):
        return
    test = kept.phase != "TRAIN"
    severity: Severity = "info" if test else "error" if broken or worst > HOPELESS else "warning"
    advice = (
        "That is how a fresh net runs before anything has been stored (a test at iteration 0): it means nothing."
        if test
        else "It trains with stored statistics (use_global_stats: true) although nothing has been stored: delete that, "
        "or load weights."
    )
    notes = [Note(f"'{blob}' is {figure(top.number)} here", top.place)]
    notes += [Note(f"the {role} blob is 0", value.place) for role, value in _roles(view, first) if role == "factor"]
    yield Verdict(
        "DYN012",
        severity,
        f"'{first.name}'{others} {how} (1/sqrt(eps)) {when(kept)}, because the stored statistics are empty{outcome}. "
        f"{advice}",
        top.place,
        first.name,
        kept,
        tuple(notes[1:]),
        STATISTICS_CAUSES,
        "batch_norm_param.use_global_stats",
    )


def _roles(view: View, values: LayerValues) -> list[tuple[str, Value]]:
    return list(zip(view.known.roles(values), values.params.values(), strict=False))


# -- NaN and infinities --------------------------------------------------------------------------------------------
def _nonfinite(view: View, kept: Pass) -> Iterator[Verdict]:
    origin = next(((x, b, v) for x, b, v in kept.tops() if not math.isfinite(v.number)), None)
    if origin is None:
        return
    values, blob, value = origin
    explained = view.is_explained(kept, values.name)
    view.explain_from(kept, values.name)
    if explained or not view.first_time("DYN001", "") or view.known.type(values.name) == "Accuracy":
        return
    names = list(kept.layers)
    carried = sum(
        any(not math.isfinite(v.number) for v in kept.layers[name].tops.values())
        for name in names[names.index(values.name) + 1 :]
    )
    rest = f" {layers(carried)} after it only {'carries' if carried == 1 else 'carry'} it on." if carried else ""
    word = "NaN" if math.isnan(value.number) else "Inf"
    spoilt = next(((r, v) for r, v in values.params.items() if not math.isfinite(v.number)), None)
    notes: list[Note] = []
    if spoilt is not None:
        why = f"The weights of '{values.name}' are not finite themselves: {_update(view, kept, notes)}"
        notes.insert(0, Note(f"parameter blob {spoilt[0]} of '{values.name}' is not finite", spoilt[1].place))
    elif view.known.is_source(values, kept):
        why = "It is the data itself: check the source and transform_param."
    else:
        inputs = [v.number for _, v in view.known.inputs(values, kept)]
        largest = max((n for n in inputs if math.isfinite(n)), default=0.0)
        why = f"Its weights are finite. {_cause(view, values, largest)}"
    yield Verdict(
        "DYN001",
        "error",
        f"{word} first appears in '{blob}' of '{values.name}' {when(kept)}. {why}{rest}",
        value.place,
        values.name,
        kept,
        tuple(notes),
        DATA_CAUSES,
    )


def _cause(view: View, values: LayerValues, largest: float) -> str:
    type_ = view.known.type(values.name)
    if type_ in ("Log", "Power"):
        return "It takes a logarithm or a root of values that are not positive."
    if type_ == "Dropout":
        return "With dropout_ratio 1 it multiplies 0 by infinity."
    if largest > HOPELESS:
        return f"Its input already reaches {largest:.3g}: the sum overflows."
    if type_.endswith("Loss") and largest:
        return f"Its scores are finite (mean |x| {figure(largest)}): check the labels and the scale of the scores."
    return f"Its input is finite{f' (mean |x| {figure(largest)})' if largest else ''}: look at its parameters."


def _update(view: View, kept: Pass, notes: list[Note]) -> str:
    """Why weights broke between passes: what the pass before says of its gradients, and the learning rate."""
    before = next((p for p in reversed(view.log.passes) if p.number < kept.number and p.norms is not None), None)
    rate = view.log.lr.last
    at = f" (lr {rate.number:g})" if rate is not None else ""
    if before is None or before.norms is None:
        return f"an update before this pass made them so{at}. Lower base_lr or set clip_gradients."
    norms = before.norms
    notes.append(Note(f"gradients {when(before)}: L2 norm {figure(norms.l2_diff)}", norms.place))
    return (
        f"the update before made them so{at}; the gradient's L2 norm was {figure(norms.l2_diff)}, the weights' "
        f"{figure(norms.l2_data)} {when(before)}. Lower base_lr or set clip_gradients."
    )


# -- zeros ---------------------------------------------------------------------------------------------------------
def _zeros(view: View, kept: Pass) -> Iterator[Verdict]:
    for values, blob, value in view.signals(kept):
        if value.number != 0 or view.is_explained(kept, values.name):
            continue
        inputs = view.known.inputs(values, kept)
        if not inputs or all(v.number == 0 for _, v in inputs):
            continue
        found = _collapse(view, kept, values, blob, value, inputs[0])
        view.explained.setdefault(kept.number, set()).update(_victims(kept, values.name))
        if found is not None and view.first_time("zero", values.name):
            yield found


def _victims(kept: Pass, layer: str) -> list[str]:
    """The layers from this one on whose tops are all 0."""
    names = list(kept.layers)
    after = [kept.layers[name] for name in names[names.index(layer) :]]
    return [x.name for x in after if x.tops and all(v.number == 0 for v in x.tops.values())]


def _collapse(
    view: View, kept: Pass, values: LayerValues, blob: str, value: Value, source: tuple[str, Value]
) -> Verdict | None:
    type_ = view.known.type(values.name)
    roles = _roles(view, values)
    named = dict(roles)
    count = len(_victims(kept, values.name)) - 1
    tail = f" {layers(count)} after it give{'s' if count == 1 else ''} zeros because of it." if count else ""
    ends = _ends(view, kept, values, blob)
    if ends == "added":
        return None  # a residual branch that starts at 0 on purpose
    stops = ends == "dead"
    if "gamma" in named and named["gamma"].number == 0:
        return _zero_gamma(view, kept, values, value, roles, stops, tail)
    read = "its input" if source[0] == blob else f"'{source[0]}'"
    head = f"Every element of '{blob}' is 0 {when(kept)} although {read} is not ({figure(source[1].number)}): "
    first = next(iter(values.params.values()), None)
    before = view.healthy_before(kept, values.name, blob)
    if first is not None and first.number == 0 and type_ not in NORMS:
        severity: Severity = "error" if stops else "warning"
        why = "and the ReLU behind it stops every gradient, so it stays 0." if stops else "look at its weight_filler."
        if starts_at_zero(values):
            severity, why = "info", "but they get a gradient, so the first update ends it."
        elif _unloaded(view, kept) >= MANY:
            why += " So are those of many other layers: were weights to be loaded?"
        text = f"the weights of '{values.name}' are all 0 (parameter blob {next(iter(values.params))}), {why}"
        weights = (Note("the weights", first.place),)
        return Verdict("DYN002", severity, head + text + tail, value.place, values.name, kept, weights, FILLER_CAUSES)
    if type_ == "ReLU":
        text = f"all inputs of '{values.name}' are negative (a dead ReLU)."
        notes: tuple[Note, ...] = ()
        if before is not None and before[1].number > 0:
            text += f" It was {figure(before[1].number)} {when(before[0])}, so training did this: {_drift(view, kept)}"
            notes = (Note(f"'{blob}' was {figure(before[1].number)}", before[1].place),)
        return Verdict("DYN002", "warning", head + text + tail, value.place, values.name, kept, notes, ("INI010",))
    if type_ in NORMS:
        text = f"'{values.name}' subtracts the only value that each channel has (one element, or a constant channel)."
        return Verdict("DYN004", "warning", head + text + tail, value.place, values.name, kept, (), ("BN017",))
    if type_ in ("Dropout", "Power"):
        return None  # asked for
    text = f"'{values.name}' blocks the signal."
    return Verdict("DYN002", "warning", head + text + tail, value.place, values.name, kept, (), FILLER_CAUSES)


def starts_at_zero(values: LayerValues) -> bool:
    """Whether a layer's weights are 0 and get a gradient: so a classifier may start on purpose."""
    index, first = next(iter(values.params.items()), ("", None))
    diff = values.param_diffs.get(index)
    return first is not None and diff is not None and first.number == 0 and 0 < diff.number < math.inf


def _unloaded(view: View, kept: Pass) -> int:
    """How many layers have weights that are all 0."""
    return sum(
        next(iter(values.params.values())).number == 0 and view.known.type(name) not in NORMS
        for name, values in kept.layers.items()
        if values.params
    )


def _ends(view: View, kept: Pass, values: LayerValues, blob: str) -> str:
    """What becomes of a zero: by the net, else by the next layer that reads it in the order of the log."""
    node, net = view.known.node(values.name, kept.phase), view.known.net(kept.phase)
    if node is not None and net is not None:
        return next((fate(net, top) for top in node.tops if top.name == blob), "alive")
    names = list(kept.layers)
    for name in names[names.index(values.name) + 1 :]:
        type_ = view.known.type(name)
        if type_ == "ReLU":
            return "dead"
        if type_ not in ("Scale", "Pooling", "Dropout", "BatchNorm", "Split"):
            return "alive"
    return "alive"


def _zero_gamma(
    view: View, kept: Pass, values: LayerValues, value: Value, roles: list[tuple[str, Value]], stops: bool, tail: str
) -> Verdict:
    name = values.name
    message = f"gamma of '{name}' is 0 in every channel, so its output is exactly 0"
    if stops:
        message += ", and the ReLU behind it stops every gradient: nothing here or below can ever learn"
    norm = view.known.type(name) in NORMS
    field = "scale_filler" if norm else "filler"
    message += f". Set the filler to value 1 (`{field}`; this Caffe starts at 0 without it).{tail}"
    if norm and len(roles) == 5:
        meaning = ", ".join(f"{i} {'unused' if role == 'spare' else role}" for i, (role, _) in enumerate(roles))
        message += f" The blobs of this Caffe's BatchNorm are {meaning}."
        statistics = [v for role, v in roles if role in STATISTICS]
        if all(v.number == 0 for v in statistics) and kept.phase != "TRAIN":
            message += (
                " That mean and variance are 0 as well shows a test pass before anything was stored; it is not the"
                " cause: empty statistics make values 316 times larger, not 0."
            )
    gamma = next(v for role, v in roles if role == "gamma")
    return Verdict(
        "DYN003",
        "error" if stops else "warning",
        message,
        gamma.place,
        name,
        kept,
        (Note("its output is 0 here", value.place),),
        GAMMA_CAUSES,
        "batch_norm_param.scale_filler" if norm else "scale_param.filler",
    )


def _drift(view: View, kept: Pass) -> str:
    """What changed since the first pass: the parameter that grew most."""
    first = next((p for p in view.log.passes if p.number < kept.number and p.run == kept.run), None)
    grown: list[tuple[float, str, str]] = []
    for name, values in kept.layers.items():
        for index, value in values.params.items():
            old = first.layers[name].params.get(index) if first is not None and name in first.layers else None
            if old is not None and old.number > 0 and math.isfinite(value.number):
                role = dict(zip(values.params, view.known.roles(values), strict=False)).get(index, "")
                if role not in STATISTICS:
                    grown.append((value.number / old.number, name, f"{figure(old.number)} to {figure(value.number)}"))
    rate = view.log.lr.last
    at = f"Learning rate {rate.number:g}" if rate is not None else "The learning rate"
    if not grown or max(grown)[0] < 2:
        return f"{at.lower()} or the data may be at fault."
    _, name, change = max(grown)
    return f"mean |w| of '{name}' went from {change}. {at} is likely too large: lower base_lr or set clip_gradients."


# -- growing and vanishing -----------------------------------------------------------------------------------------
def _growth(view: View, kept: Pass) -> Iterator[Verdict]:
    data = view.data_scale(kept)
    if not data or not math.isfinite(data):
        return
    for values, blob, value in view.signals(kept):
        if view.is_explained(kept, values.name) or not math.isfinite(value.number) or value.number == 0:
            continue
        ratio = value.number / data
        if ratio > GROWTH or value.number > max(LARGE, LARGE * data):
            view.explain_from(kept, values.name)
            if view.first_time("DYN010", ""):
                before = view.healthy_before(kept, values.name, blob)
                grown = before is not None and before[1].number < value.number / 100
                text = (
                    f"It was {figure(before[1].number)} {when(before[0])}, so training did this: {_drift(view, kept)}"
                    if before is not None and grown
                    else "An overflow is near. Check fillers and BatchNorm statistics."
                )
                yield Verdict(
                    "DYN010",
                    "warning",
                    f"Activations grow {ratio:.3g} times from the data to '{blob}' of '{values.name}' "
                    f"({figure(value.number)}) {when(kept)}. {text}",
                    value.place,
                    values.name,
                    kept,
                    (Note("here it was still sound", before[1].place),) if before is not None and grown else (),
                    () if grown else DATA_CAUSES,
                )
            return
        if ratio < VANISHED and values.params and view.known.type(values.name) not in ("Scale", "Power"):
            view.explain_from(kept, values.name)
            if view.first_time("DYN013", ""):
                yield Verdict(
                    "DYN013",
                    "warning",
                    f"Activations shrink to {ratio:.3g} of the data at '{blob}' of '{values.name}' {when(kept)}: the "
                    "signal vanishes. Use msra fillers or BatchNorm.",
                    value.place,
                    values.name,
                    kept,
                    (),
                    (*FILLER_CAUSES, "INI005"),
                )
            return
