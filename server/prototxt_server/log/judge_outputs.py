"""What outputs tell over the iterations: BN018, DYN022, DYN017, DYN024."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from prototxt_server.log.series import classes_of, is_loss, layer_of, losses, norms
from prototxt_server.log.tracks import Track
from prototxt_server.log.verdict import Note, Verdict
from prototxt_server.log.view import View, figure

NEAR_CHANCE = 0.02
STUCK = 10
_ACCURACY = re.compile(r"acc|top-?\d", re.I)


def findings(view: View) -> Iterator[Verdict]:
    """The first test; then what does not move; then what moves although it should not."""
    yield from _first_test(view)
    for track, _ in losses(view):
        yield from _chance(view, track)
    yield from _stuck_accuracy(view)
    yield from _moves_at_rate_0(view)
    yield from _no_weight(view)


def _first_test(view: View) -> Iterator[Verdict]:
    """A test before the first update runs BatchNorm on statistics that nothing was stored into."""
    if view.log.weights or not norms(view):
        return
    for track in view.log.test.values():
        first = track.first
        if first is None or first.iteration != 0 or not is_loss(view, track):
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


def _chance(view: View, track: Track) -> Iterator[Verdict]:
    classes = classes_of(view, track.name) or _told_by_accuracy(view, track)
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
            layer_of(view, track.name),
            causes=("INI001", "INI002", "BN031", "BN022", "FRZ014", "DAT006"),
        )


def _told_by_accuracy(view: View, track: Track) -> int | None:
    """How many classes a loss of ln K speaks of, where an accuracy of 1/K stands beside it; None otherwise."""
    if track.last is None or not 0.6 < track.last.number < 12:
        return None
    classes = round(math.exp(track.last.number))
    found = [
        t.last.number
        for t in (*view.log.test.values(), *view.log.train.values())
        if _ACCURACY.search(t.name) and t.last
    ]
    near = any(abs(accuracy * classes - 1) < 0.2 for accuracy in found)
    return classes if near and abs(math.log(classes) - track.last.number) < NEAR_CHANCE * track.last.number else None


def _stuck_accuracy(view: View) -> Iterator[Verdict]:
    for track in view.log.test.values():
        since = track.same_since
        if not _ACCURACY.search(track.name) or track.same_count < 5 or since is None or since.number >= 0.999:
            continue
        loss = next((t for t in view.log.test.values() if is_loss(view, t)), None)
        same = loss is not None and loss.same_count >= track.same_count
        yield Verdict(
            "DYN022",
            "warning",
            f"'{track.name}' is exactly {since.number:g} in {track.same_count} tests, from iteration {since.iteration} "
            f"on{', and the loss does not move either' if same else ''}: the net gives one class whatever it sees, or "
            "its weights are NaN.",
            since.place,
            layer_of(view, track.name),
            causes=("INI001", "INI002", "BN031", "BN022"),
        )
        return


def _moves_at_rate_0(view: View) -> Iterator[Verdict]:
    """A net with learning rate 0 whose test outputs change: BatchNorm's statistics move with each training batch."""
    rate = view.log.lr
    if rate.highest is None or rate.highest.number != 0:
        return
    moved = next(
        (t for t in view.log.test.values() if t.highest and t.lowest and t.highest.number != t.lowest.number), None
    )
    moving = [name for name in norms(view) if not _fixed(view, name)]
    if not moving:
        return
    by_name = "" if view.known.certain(moving[0]) else ", a BatchNorm by its name,"
    first = f"'{moving[0]}'{by_name}" + (f" and {len(moving) - 1} more" if len(moving) > 1 else "")
    what = "yet test losses will change"
    if moved is not None:
        after = [value for iteration, value in moved.points if iteration > 0]
        trained = len(after) > 1 and min(after) != max(after)
        values = after if trained else [value for _, value in moved.points]
        size = f"between {min(values):.6g} and {max(values):.6g}{' after iteration 0' if trained else ''}"
        what = f"yet the test output '{moved.name}' moves {size}"
    assert rate.first is not None
    notes = (Note("the test outputs", moved.last.place),) if moved is not None and moved.last is not None else ()
    yield Verdict(
        "DYN017",
        "warning",
        f"The learning rate is 0, {what}: {first} normalises each training batch with the batch's own mean and "
        "variance and stores them, which no lr_mult, weight_decay or propagate_down stops. Set use_global_stats: true "
        "there (and load weights) to freeze it; outputs in training then stop changing with the batch, too.",
        rate.first.place,
        moving[0],
        notes=notes,
        causes=("FRZ001", "FRZ002", "BN026"),
    )


def _fixed(view: View, norm: str) -> bool:
    """Whether a BatchNorm trains with stored statistics, which then stay as they are."""
    node = view.known.node(norm, "TRAIN")
    return node is not None and bool(node.param("batch_norm_param").get("use_global_stats"))


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
        layer_of(view, output.name),
        notes=(Note(f"'{output.name}' has no weight", output.last.place),),
        causes=("FRZ013",),
    )
