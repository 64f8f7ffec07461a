"""The fillers of Caffe, for hovers and completion: what each draws, from which fields.

n is fan_in = count / shape[0], fan_out = count / shape[1] (count when there is one axis), or their mean, as
`variance_norm` says. Fields that do not belong to the type are ignored; `sparse` with any other type than gaussian
aborts.
"""

from __future__ import annotations

FILLERS: dict[str, str] = {
    "constant": "Every element is `value` (default 0).",
    "uniform": "Uniform between `min` (default 0) and `max` (default 1).",
    "gaussian": "Normal with `mean` (default 0) and `std` (default 1). With `sparse: s` each element is kept with "
    "probability s / shape[0] and is 0 otherwise.",
    "positive_unitball": "Uniform between 0 and 1, then each slice along axis 0 is divided by its sum.",
    "xavier": "Uniform between -a and a, a = sqrt(3 / n). n is fan_in unless `variance_norm` says otherwise.",
    "msra": "Normal with mean 0 and variance 2 / n. n is fan_in unless `variance_norm` says otherwise.",
    "bilinear": "Bilinear interpolation, for a Deconvolution that upsamples: needs 4 axes and a square kernel; every "
    "filter gets the same values.",
}
