"""What losses and accuracies tell: DYN020, DYN021, DYN022, DYN024, DYN017, BN018."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from prototxt_server.log.knowledge import NORMS
from prototxt_server.log.tracks import Track
from prototxt_server.log.verdict import Note, Verdict
from prototxt_server.log.view import View, figure

FLOOR = 87.3365
"""-ln(FLT_MIN): what a softmax loss adds for a sample whose true class has probability 0."""
HALF_FLOOR = 9.7041
"""The same where half precision is used (NVIDIA 0.16 and later)."""
OTHER_FLOOR = 46.0517
"""-ln(1e-20): MultinomialLogisticLoss and InfogainLoss."""
_FLOORS = {FLOOR: "-ln(FLT_MIN)", HALF_FLOOR: "-ln of the smallest half-precision number", OTHER_FLOOR: "-ln(1e-20)"}
NEAR = 1e-3
SATURATED = 30.0
NEAR_CHANCE = 0.02
STUCK = 10
_ACCURACY = re.compile(r"acc|top-?\d", re.I)
_LOUD_CAUSES = ("BN010", "DAT001", "INI003", "INI004", "INI005", "BN030")


def findings(view: View) -> Iterator[Verdict]:
    """Losses first; then what does not move; then what moves although it should not."""
    tracks = [*_losses(view)]
    for track, test in tracks:
        yield from _floor(view, track, test)
        yield from _odd(view, track)
    yield from _first_test(view)
    for track, _ in tracks:
        yield from _chance(view, track)
    yield from _stuck_accuracy(view)
    yield from _moves_at_rate_0(view)
    yield from _no_weight(view)


def _losses(view: View) -> Iterator[tuple[Track, bool]]:
    """(series, whether of a test) of all losses: net outputs, else the number of the "Iteration" lines."""
    log = view.log
    named = [track for track in log.train.values() if _is_loss(view, track)]
    yield from ((track, False) for track in named)
    if not named and log.loss.count:
        yield log.loss, False
    yield from ((track, True) for track in log.test.values() if _is_loss(view, track))


def _is_loss(view: View, track: Track) -> bool:
    return track.weight is not None or "loss" in track.name.lower()


def _layer_of(view: View, output: str) -> str | None:
    """The layer that makes a net output: in the net, else of the same name."""
    net = view.known.net()
    if net is not None:
        return next((blob.producer.name for blob in net.outputs if blob.name == output), None)
    return output if output in view.log.types else None


def _classes(view: View, output: str) -> int | None:
    """How many classes a softmax loss has, from the shape of its scores; None when unknown."""
    layer = _layer_of(view, output)
    node = view.known.node(layer) if layer is not None else None
    shape = node.bottoms[0].shape if node is not None and node.bottoms and node.bottoms[0] is not None else None
    if node is None or node.type != "SoftmaxWithLoss" or shape is None or len(shape) < 2:
        return None
    return shape[1] if isinstance(shape[1], int) and shape[1] > 1 else None


def _softmax(view: View, output: str) -> bool | None:
    """Whether an output is a softmax loss; None when unknown."""
    layer = _layer_of(view, output)
    if layer is None or not view.known.certain(layer):
        return None
    return view.known.type(layer) == "SoftmaxWithLoss"


def _explained(view: View) -> str:
    found = [code for code, _ in view.reported if code in ("DYN001", "DYN010", "DYN012")]
    return " (the finding above says where)" if found else ""


# -- the floors ----------------------------------------------------------------------------------------------------
def _floor(view: View, track: Track, test: bool) -> Iterator[Verdict]:
    last, highest = track.last, track.highest
    if last is None or highest is None:
        return
    floor = next((value for value in _FLOORS if abs(highest.number - value) < NEAR), None)
    if floor == HALF_FLOOR and not ("0.16" in view.known.dialect or "0.17" in view.known.dialect or _flat(track)):
        floor = None
    if floor is not None:
        held = abs(last.number - floor) < NEAR
        place = track.same_since.place if held and track.same_since is not None else highest.place
        since = track.same_since.iteration if held and track.same_since is not None else highest.iteration
        story = ""
        if track.first is not None and abs(track.first.number - floor) > NEAR:
            rate = view.log.lr.last
            at = f" (lr {rate.number:g})" if rate is not None else ""
            story = f" It began at {figure(track.first.number)}, so training did this{at}: lower base_lr."
        nan = (
            " It does not move any more: on a GPU NaN scores print exactly this number too."
            if held and track.same_count > 1
            else ""
        )
        where = "test " if test else ""
        untrained = test and since == 0 and track.same_count == track.count == 1 and _has_norm(view)
        yield Verdict(
            "DYN020",
            "info" if untrained else "warning",
            f"The {where}loss '{track.name}' {'stands' if held else 'was'} at the floor {_FLOORS[floor]} = {floor} "
            f"{'since' if held and track.same_count > 1 else 'in'} iteration {since}: the true class has probability 0 "
            f"in every sample{_explained(view)}.{nan}{story} Look for a missing input scale, too large fillers or "
            "empty BatchNorm statistics.",
            place,
            _layer_of(view, track.name),
            causes=_LOUD_CAUSES,
        )
        return
    softmax = _softmax(view, track.name)
    share = highest.number / FLOOR
    if share < 1 and ((softmax and highest.number > SATURATED) or (softmax is None and highest.number > 80)):
        first = test and highest.iteration == 0
        meaning = " It is the test before training: see BN018." if first and _has_norm(view) else ""
        yield Verdict(
            "DYN021",
            "info" if meaning else "warning",
            f"The {'test ' if test else ''}loss '{track.name}' of {highest.number:g} in iteration {highest.iteration} "
            f"is {share:.4f} x {FLOOR}: {100 * share:.3g}% of the samples are at the loss floor{_explained(view)}, "
            f"because their scores differ by more than 87.{meaning}",
            highest.place,
            _layer_of(view, track.name),
            causes=() if meaning else _LOUD_CAUSES,
        )


def _flat(track: Track) -> bool:
    return track.same_count >= 3


def _odd(view: View, track: Track) -> Iterator[Verdict]:
    broken = track.broken
    if broken is None or not view.first_time("DYN024", ""):
        return
    lowest = track.lowest
    word = "NaN" if math.isnan(broken.number) else "infinite"
    if ("DYN001", "") in view.reported:
        story = " The finding above names the layer in which it begins."
    elif lowest is None:
        story = (
            " It never was a number: look at the data, the labels and the fillers; set debug_info: true and display: 1."
        )
    else:
        peak = track.highest
        rose = (
            f" It had risen to {figure(peak.number)} by iteration {peak.iteration}: gradients exploded. Lower base_lr "
            "or set clip_gradients."
            if peak is not None and track.first is not None and peak.number > 2 * track.first.number
            else " Set debug_info: true and display: 1 to see in which layer it begins."
        )
        story = f" It was {figure(lowest.number)} in iteration {lowest.iteration}.{rose}"
    yield Verdict(
        "DYN024",
        "warning",
        f"The loss '{track.name}' is {word} from iteration {broken.iteration} on.{story}",
        broken.place,
        _layer_of(view, track.name),
    )


# -- the first test ------------------------------------------------------------------------------------------------
def _has_norm(view: View) -> bool:
    net = view.known.net()
    if net is not None:
        return any(node.type in NORMS for node in net.nodes)
    return any(type_ in NORMS for type_ in view.log.types.values()) or any(
        view.known.type(name) in NORMS for kept in view.log.passes for name in kept.layers
    )


def _first_test(view: View) -> Iterator[Verdict]:
    """A test before the first update runs BatchNorm on statistics that nothing was stored into."""
    if view.log.weights or not _has_norm(view):
        return
    for track in view.log.test.values():
        first = track.first
        if first is None or first.iteration != 0 or not _is_loss(view, track):
            continue
        train = view.log.train.get(track.name)
        other = train.first.number if train is not None and train.first is not None else view.log.loss.first
        other = other if isinstance(other, float) else other.number if other is not None else None
        if first.number > 80 or (other and first.number > 3 * other > 0) or math.isnan(first.number):
            beside = f" (the first training loss is {figure(other)})" if other else ""
            yield Verdict(
                "BN018",
                "info",
                f"The test loss of iteration 0, {first.number:g}{beside}, means nothing: BatchNorm's stored statistics "
                "are still empty then, and each such layer multiplies by 316. Skip it with test_initialization: false.",
                first.place,
                causes=("BN018",),
            )
            return


# -- what does not move --------------------------------------------------------------------------------------------
def _chance(view: View, track: Track) -> Iterator[Verdict]:
    classes = _classes(view, track.name)
    if classes is None or track.count < STUCK or track.last is None or track.lowest is None:
        return
    chance = math.log(classes)
    if abs(track.last.number - chance) < NEAR_CHANCE * chance and track.lowest.number > (1 - 2 * NEAR_CHANCE) * chance:
        yield Verdict(
            "DYN022",
            "warning",
            f"The loss '{track.name}' still is {track.last.number:g} = ln {classes} after {track.count} reports "
            f"(iteration {track.last.iteration}): the net does not look at its input.",
            track.last.place,
            _layer_of(view, track.name),
            causes=("INI001", "INI002", "BN031", "BN022", "FRZ014", "DAT006"),
        )


def _stuck_accuracy(view: View) -> Iterator[Verdict]:
    for track in view.log.test.values():
        since = track.same_since
        if not _ACCURACY.search(track.name) or track.same_count < 5 or since is None or since.number >= 0.999:
            continue
        loss = next((t for t in view.log.test.values() if _is_loss(view, t)), None)
        same = loss is not None and loss.same_count >= track.same_count
        yield Verdict(
            "DYN022",
            "warning",
            f"'{track.name}' is exactly {since.number:g} in {track.same_count} tests, from iteration {since.iteration} "
            f"on{', and the loss does not move either' if same else ''}: the net gives one class whatever it sees, or "
            "its weights are NaN.",
            since.place,
            _layer_of(view, track.name),
            causes=("INI001", "INI002", "BN031", "BN022"),
        )
        return


# -- what moves ----------------------------------------------------------------------------------------------------
def _moves_at_rate_0(view: View) -> Iterator[Verdict]:
    """A net with learning rate 0 whose test outputs change: BatchNorm's statistics move with each training batch."""
    rate = view.log.lr
    if rate.highest is None or rate.highest.number != 0 or not _has_norm(view):
        return
    moved = next(
        (t for t in view.log.test.values() if t.highest and t.lowest and t.highest.number != t.lowest.number), None
    )
    norms = [name for name, type_ in view.log.types.items() if type_ in NORMS]
    net = view.known.net("TRAIN")
    if net is not None:
        norms = [
            n.name for n in net.nodes if n.type in NORMS and not n.param("batch_norm_param").get("use_global_stats")
        ]
    if not norms:
        return
    first = f"'{norms[0]}'" + (f" and {len(norms) - 1} more" if len(norms) > 1 else "")
    what = (
        f"yet the test output '{moved.name}' went from {figure(moved.first.number)} to {figure(moved.last.number)}"
        if moved is not None and moved.first is not None and moved.last is not None
        else "yet test losses will change"
    )
    assert rate.first is not None
    notes = (Note("the test outputs", moved.last.place),) if moved is not None and moved.last is not None else ()
    yield Verdict(
        "DYN017",
        "warning",
        f"The learning rate is 0, {what}: {first} normalises each training batch with the batch's own mean and "
        "variance and stores them, which no lr_mult, weight_decay or propagate_down stops. Set use_global_stats: true "
        "there (and load weights) to freeze it; outputs in training then stop changing with the batch, too.",
        rate.first.place,
        norms[0],
        notes=notes,
        causes=("FRZ001", "FRZ002", "BN026"),
    )


def _no_weight(view: View) -> Iterator[Verdict]:
    """The total loss is 0 while an output that looks like a loss is not, and no output has a weight beside it."""
    log = view.log
    if (
        log.loss.highest is None
        or log.loss.highest.number != 0
        or log.loss.lowest is None
        or log.loss.lowest.number != 0
    ):
        return
    output = next((t for t in log.train.values() if "loss" in t.name.lower() and t.last and t.last.number != 0), None)
    if output is None or any(t.weight for t in log.train.values()) or output.last is None or log.loss.first is None:
        return
    yield Verdict(
        "DYN024",
        "warning",
        f"The total loss is 0 although '{output.name}' is {output.last.number:g}: its loss_weight is 0 (a weight would "
        "stand in brackets behind it), so nothing is trained.",
        log.loss.first.place,
        _layer_of(view, output.name),
        notes=(Note(f"'{output.name}' has no weight", output.last.place),),
        causes=("FRZ013",),
    )
