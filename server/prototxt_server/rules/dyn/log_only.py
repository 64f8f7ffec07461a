"""What only a training log shows."""

from __future__ import annotations

from prototxt_server.rules.dyn.base import DynamicRule, dynamic


@dynamic
class LogAbort(DynamicRule):
    """## What it does
    Reports a CHECK that failed in a training log, with the layer that Caffe named last before it.

    ## Why is this bad?
    Caffe ended there. Most CHECK messages name no layer, so the last "Creating Layer" line is the best clue; `lsp
    check` on the net usually names the field.

    ## Fix safety
    None.
    """

    code = "LOG001"
    name = "log-abort"
    severity = "error"
