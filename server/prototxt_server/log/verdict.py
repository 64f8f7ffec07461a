"""What a judge hands over: a finding before it has a place in a file."""

from __future__ import annotations

from dataclasses import dataclass

from prototxt_net.finding import Finding, Severity
from prototxt_server.log.values import Pass, Place


@dataclass(slots=True, frozen=True)
class Note:
    """Another place of the log that explains a verdict."""

    message: str
    place: Place


@dataclass(slots=True)
class Verdict:
    """code, severity, message: as of a finding. layer: at fault, None for the run as such. place: in the log.

    causes: codes of static rules that, found at the layer (or at the file when layer is None), name the cause in the
    net. field: which field of the layer in the net is meant. because: findings in the net that are the cause, where
    they are known already. at: the place in the net (offsets), where it is not the layer. refused: whether the text of
    the net makes Caffe stop.
    """

    code: str
    severity: Severity
    message: str
    place: Place
    layer: str | None = None
    kept: Pass | None = None
    notes: tuple[Note, ...] = ()
    causes: tuple[str, ...] = ()
    field: str = ""
    because: tuple[Finding, ...] = ()
    at: tuple[int, int] | None = None
    refused: bool = False
