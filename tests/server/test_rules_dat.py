"""DAT: data layers, and the traps of the catalogue."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import bn, conv, ip, layer, loss
from prototxt_server.rules.dat.common import HEAD, TEST, TRAIN, images, lmdb


def found(text: str) -> dict[str, str]:
    analysis = analyze(Source(text), Settings(dialect="bvlc"))
    return {f.code: f.severity for f in analysis.findings if f.code.startswith("DAT")}


SCALED = "transform_param { scale: 0.00390625 }"

CASES = {
    "scaled and shuffled": (images(SCALED) + HEAD, {}),
    "a mean alone is enough": (lmdb("transform_param { mean_value: 128 }") + HEAD, {}),
    "neither mean nor scale": (lmdb() + HEAD, {"DAT001": "info"}),
    "a BatchNorm on the data": (lmdb() + bn("b", "data") + HEAD, {}),
    "a Power layer that scales": (
        lmdb() + layer("Power", "p", "data", "p", "power_param { scale: 0.01 }") + ip("fc", "p") + loss("fc"),
        {},
    ),
    "no loss: features": (lmdb() + conv("c", "data"), {}),
    "mirror and crop differ where they may": (
        lmdb(TRAIN, "transform_param { scale: 0.1 mirror: true crop_size: 32 }")
        + lmdb(TEST, "transform_param { scale: 0.1 crop_size: 32 }")
        + HEAD,
        {},
    ),
    "cropped to what is resized": (
        images(TRAIN, "transform_param { scale: 0.1 crop_size: 32 }", param="shuffle: true ")
        + images(TEST, "transform_param { scale: 0.1 }", param="new_height: 32 new_width: 32 ")
        + HEAD,
        {},
    ),
    "another scale in TEST": (
        lmdb(TRAIN, "transform_param { scale: 0.1 }") + lmdb(TEST, "transform_param { scale: 1 }") + HEAD,
        {"DAT004": "warning"},
    ),
    "mirror in both phases of one layer": (lmdb("transform_param { scale: 0.1 mirror: true }") + HEAD, {}),
    "a list in file order": (images(SCALED, param="") + HEAD, {"DAT006": "info"}),
    "a database in file order was shuffled when it was made": (lmdb(SCALED) + HEAD, {}),
    "1/256 that says so": (lmdb("transform_param {\n  scale: 0.00390625 # 1/256\n}") + HEAD, {}),
    "1/256 that says nothing": (lmdb(SCALED) + HEAD, {}),
    "1/256 that says 1/255": (
        lmdb("transform_param {\n  scale: 0.00390625 # = 1/255\n}") + HEAD,
        {"DAT011": "hint"},
    ),
}


@pytest.mark.parametrize("name", CASES, ids=str)
def test_findings(name: str) -> None:
    text, codes = CASES[name]
    assert found(text) == codes
