"""Loaded weights that the net cannot take (SHP027), or that name none of its layers (INI011)."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_gpu_check.verdict.view import View
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import family


def findings(view: View) -> Iterator[Finding]:
    """A misfit aborts the loading; a file without a common layer name loads nothing."""
    result = view.result
    if result.weights is None:
        return
    by_name = {layer.name: layer for layer in reversed(result.layers)}
    for misfit in result.misfits:
        layer = by_name[misfit.layer]
        # NVIDIA 0.16 and later convert the BatchNorm blobs of other dialects while loading.
        converts = family(view.net.dialect) == "N16" and layer.node.type == "BatchNorm"
        severity: Severity = "warning" if converts else "error"
        found = view.finding("SHP027", layer, severity, misfit.message)
        yield found._replace(caffe_aborts=not converts)
    with_params = [layer for layer in result.layers if layer.params]
    if with_params and not result.misfits and not any(p.origin.kind == "loaded" for x in with_params for p in x.params):
        yield view.finding(
            "INI011",
            with_params[0],
            "warning",
            f"No layer of this net has a name that {result.weights} knows: nothing was loaded. Check the layer names.",
        )
