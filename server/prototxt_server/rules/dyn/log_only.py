"""What only a training log shows."""

from __future__ import annotations

from prototxt_server.rules.dyn.base import DynamicRule, dynamic


@dynamic
class LogAbort(DynamicRule):
    """## What it does
    Reports the line with which Caffe ended in a training log: a failed CHECK, another fatal message, what protobuf's
    parser printed, a signal, an exception of a Python layer. It says what the words mean and which rules speak of them.
    With the net it points at the line that is meant, with that rule's finding and its fix; the net that the log itself
    prints is used where none is given.

    ## Why is this bad?
    Caffe ended there. Most CHECK messages name no layer: the one that was being made is the one of the last "Creating
    layer" line, except for CHECKs that come before it. Trouble of the machine (a full GPU, a missing database) is
    reported in the same way, but is no fault of the net.

    ## Fix safety
    That of the rule that is named.
    """

    code = "LOG001"
    name = "log-abort"
    severity = "error"
