"""What Caffe refuses about fillers, checked where a parameter blob (or a DummyData top) is filled.

Sources: the filler table of `caffe-semantics`; measured on BVLC: unknown type, `sparse`, the shape for bilinear, and
filling an empty blob. A filler is looked at only when its blob exists.
"""

from __future__ import annotations

from prototxt_net.layers.base import Context
from prototxt_net.message import Bound
from prototxt_net.shape import Shape, product, text
from prototxt_net.words import nearest

BVLC_FILLERS = ("constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear")
#: fillers of forks, with the dialects that have them
FORK_FILLERS = {
    "gabor": ("intel",),
    "identity": ("happynear-windows",),
    "gaussian_unitball": ("happynear-windows",),
}
# NVIDIA rewrote the generators in 0.16 and compares other things; nobody read those of the OpenCL branches.
_OWN_GENERATORS = ("nvidia-0.16", "nvidia-0.17", "jacinto-0.17", "bvlc-opencl", "naibaf7-opencl")
# Dialects whose list of fillers is known; in the others an unlisted name proves nothing.
_LISTED = frozenset({"bvlc", "ssd", "nvidia-0.15", "nvidia-0.16", "nvidia-0.17", "intel"})


def filled(
    s: Context, role: str, shape: Shape | None, filler: str, default: float = 0.0, *, statistic: bool = False
) -> None:
    """Declare a parameter blob that is filled by the filler at path `filler`, and check that filler.

    default: the constant the blob starts at when no filler is written.
    """
    s.blob(role, shape, filler, default, statistic)
    if not s.layer.bound.has("blobs"):  # initial values in the text: the filler is not run
        check_filler(s, role, shape, filler)
        _check_numbers(s, shape, filler)


def _check_numbers(s: Context, shape: Shape | None, path: str) -> None:
    """INI013: what Caffe's random generators refuse, each measured on BVLC."""
    message = _message(s, path)
    if message is None or s.dialect in _OWN_GENERATORS:
        return
    kind = str(message.get("type")).removesuffix("static")
    if kind == "gaussian":
        std = message.get("std")
        s.expect(
            std > 0,
            "INI013",
            f"{s.name}: a gaussian filler needs a positive std, this one has {std:g}; Caffe aborts. Write a "
            'positive one, or `type: "constant"`.',
            f"{path}.std",
        )
        sparse, outputs = message.get("sparse"), shape[0] if shape else None
        s.expect(
            sparse >= -1 and not (isinstance(outputs, int) and sparse > outputs),
            "INI013",
            f"{s.name}: sparse {sparse} means that each of {outputs if shape else 'the'} outputs keeps that many "
            "inputs on average; Caffe aborts on more than there are outputs. Lower it.",
            f"{path}.sparse",
        )
    elif kind == "uniform":
        low, high = message.get("min"), message.get("max")
        s.expect(
            low <= high,
            "INI013",
            f"{s.name}: a uniform filler draws from min to max, here from {low:g} to {high:g}; Caffe aborts. "
            + ("Write both." if not (message.has("min") and message.has("max")) else "Exchange them."),
            f"{path}.min" if message.has("min") else f"{path}.max",
        )


def check_filler(s: Context, what: str, shape: Shape | None, path: str) -> None:
    """INI006 (bilinear on a non-square blob), INI007 (unknown type), INI008 (sparse), SHP007 (nothing to fill)."""
    message = _message(s, path)
    kind = "constant" if message is None else str(message.get("type"))
    if message is not None and not _known(kind, s.dialect):
        names = (*BVLC_FILLERS, *(name for name, dialects in FORK_FILLERS.items() if s.dialect in dialects))
        near = nearest(kind, names)
        s.expect(
            False,
            "INI007",
            f"{s.name}: filler `{kind}` is unknown in {s.dialect}; Caffe aborts. "
            + (f"Did you mean `{near}`?" if near else f"Use one of {', '.join(names)}."),
            f"{path}.type",
            data={"near": near},
        )
        return
    if message is not None and message.has("sparse") and kind.removesuffix("static") != "gaussian":
        s.expect(
            message.get("sparse") == -1,
            "INI008",
            f"{s.name}: only gaussian fillers take `sparse`, this one is {kind}; Caffe aborts. Delete it.",
            f"{path}.sparse",
        )
    if shape is None:
        return
    s.expect(
        product(shape) != 0,
        "SHP007",
        f"{s.name}: its {what} would have the shape {text(shape)}, no element at all, and the filler aborts on it. "
        "Look for a size 0 among the inputs or in the layer.",
        path,
    )
    if kind.removesuffix("static") == "bilinear":
        square = len(shape) == 4 and (shape[2] == shape[3] or not _both_known(shape[2:]))
        s.expect(
            square,
            "INI006",
            f"{s.name}: bilinear needs a blob of 4 axes with a square kernel, the {what} is {text(shape)}; Caffe "
            "aborts. Use kernel_size with one value, or another filler.",
            f"{path}.type",
        )


def _both_known(dims: Shape) -> bool:
    return all(isinstance(dim, int) for dim in dims)


def _known(kind: str, dialect: str) -> bool:
    if dialect not in _LISTED or kind in BVLC_FILLERS or dialect in FORK_FILLERS.get(kind, ()):
        return True
    return dialect.startswith("nvidia") and kind.removesuffix("static") in BVLC_FILLERS


def _message(s: Context, path: str) -> Bound | None:
    entry = s.layer.bound.find(path)
    return entry.value if entry is not None and isinstance(entry.value, Bound) else None
