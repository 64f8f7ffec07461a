"""Weights files that a net cannot load, or that load nothing into it. Found when a forward pass is given a file."""

from __future__ import annotations

from prototxt_server.rules.dyn.base import DynamicRule, dynamic


@dynamic
class WeightsShape(DynamicRule):
    """## What it does
    Reports a layer whose parameter blobs differ in number or shape from those stored under its name in a weights file.

    ## Why is this bad?
    Caffe copies weights by layer name and aborts on the first blob that does not fit ("Incompatible number of blobs for
    layer", "Cannot copy param").

    ## Fix safety
    None: rename the layer to train it from scratch, or restore the field that changed the shape.
    """

    code = "SHP027"
    name = "weights-shape"
    severity = "error"


@dynamic
class FinetuneRename(DynamicRule):
    """## What it does
    Reports a weights file that knows no layer name of the net.

    ## Why is this bad?
    Caffe skips unknown names with a line in the log, so nothing is loaded and training starts from the fillers.

    ## Fix safety
    None: check the layer names, or give the file that belongs to the net.
    """

    code = "INI011"
    name = "finetune-rename"
    severity = "warning"
