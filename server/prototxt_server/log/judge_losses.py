"""What losses tell by themselves: DYN020, DYN021, DYN024."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_server.log.series import is_softmax, layer_of, losses, norms, pointer
from prototxt_server.log.tracks import Track
from prototxt_server.log.verdict import Verdict
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
REPORTS = 10
"""From so many reports on a series shows that nothing moves."""
DIVERGED = 1e3
"""A loss that many times its first value (or 1, if that was smaller) has diverged."""
TINY = 1e-12
_LOUD_CAUSES = ("BN010", "DAT001", "INI003", "INI004", "INI005", "BN030")


def findings(view: View) -> Iterator[Verdict]:
    """Loss by loss: those of the train net, then those of the test nets."""
    for track, test in losses(view):
        yield from _floor(view, track, test)
        yield from _odd(view, track)
        yield from _rising(view, track)
        yield from _nothing_to_learn(view, track)


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
        explained = pointer(view)
        nan = (
            " It does not move any more: on a GPU NaN scores print exactly this number too."
            if held and track.same_count > 1 and not explained
            else ""
        )
        advice = (
            ""
            if explained or story
            else " Look for a missing input scale, too large fillers or empty BatchNorm statistics."
        )
        where = "test " if test else ""
        untrained = test and since == 0 and track.same_count == track.count == 1 and bool(norms(view))
        yield Verdict(
            "DYN020",
            "info" if untrained else "warning",
            f"The {where}loss '{track.name}' {'stands' if held else 'was'} at the floor {_FLOORS[floor]} = {floor} "
            f"{'since' if held and track.same_count > 1 else 'in'} iteration {since}: the true class has probability 0 "
            f"in every sample{explained}.{nan}{story}{advice}",
            place,
            layer_of(view, track.name),
            causes=_LOUD_CAUSES,
        )
        return
    softmax = is_softmax(view, track.name)
    share = highest.number / FLOOR
    if share < 1 and ((softmax and highest.number > SATURATED) or (softmax is None and highest.number > 80)):
        first = test and highest.iteration == 0
        gone = first and last.number < 0.5 * highest.number
        meaning = ""
        if first and norms(view):
            meaning = " It is the test before training: see BN018."
        elif gone:
            meaning = f" It is the test before training, and later ones are sound ({figure(last.number)} at last)."
        yield Verdict(
            "DYN021",
            "info" if meaning else "warning",
            f"The {'test ' if test else ''}loss '{track.name}' of {highest.number:g} in iteration {highest.iteration} "
            f"is {share:.4f} x {FLOOR}: {100 * share:.3g}% of the samples are at the loss floor{pointer(view)}, "
            f"because their scores differ by more than 87.{meaning}",
            highest.place,
            layer_of(view, track.name),
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
        layer_of(view, track.name),
    )


def _rising(view: View, track: Track) -> Iterator[Verdict]:
    """A loss that left every scale it had: training diverges, although the numbers still are some."""
    first, last, lowest = track.first, track.last, track.lowest
    if first is None or last is None or lowest is None or track.count < 3 or track.broken is not None:
        return
    begin = max(abs(first.number), 1.0)
    if first.iteration == last.iteration or last.number < DIVERGED * begin or not view.first_time("DYN024", ""):
        return
    rate = view.log.lr.last
    at = f" (lr {rate.number:g})" if rate is not None else ""
    yield Verdict(
        "DYN024",
        "warning",
        f"The loss '{track.name}' rose from {figure(first.number)} to {figure(last.number)} by iteration "
        f"{last.iteration}{pointer(view)}: training diverges{at}. Lower base_lr or set clip_gradients.",
        last.place,
        layer_of(view, track.name),
    )


def _nothing_to_learn(view: View, track: Track) -> Iterator[Verdict]:
    """A loss with a weight that is 0 from its first report on."""
    if not track.weight or track.count < REPORTS or track.highest is None or track.lowest is None or track.broken:
        return
    if max(abs(track.highest.number), abs(track.lowest.number)) > TINY or not view.first_time("DYN024", track.name):
        return
    yield Verdict(
        "DYN024",
        "warning",
        f"The loss '{track.name}' is 0 in all {track.count} reports: nothing is learnt from it. Its labels are empty "
        "(no objects, or all of them ignored), or its input is cut off.",
        track.highest.place,
        layer_of(view, track.name),
        causes=("LOS005", "FRZ013"),
    )
