"""What data rules share."""

from __future__ import annotations

from prototxt_server.rules.bn.nets import ip, layer, loss

IMAGE_SOURCES = ("Data", "ImageData")
PARAMS = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "HDF5Data": "hdf5_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}


def lmdb(*lines: str, name: str = "data") -> str:
    """A Data layer."""
    return layer("Data", name, "", "data label", *lines, 'data_param { source: "lmdb" batch_size: 64 }')


def images(*lines: str, param: str = "shuffle: true") -> str:
    """An ImageData layer."""
    return layer(
        "ImageData",
        "data",
        "",
        "data label",
        *lines,
        f'image_data_param {{ source: "list.txt" batch_size: 32 {param}}}',
    )


HEAD = ip("fc", "data") + loss("fc")
TRAIN, TEST = "include { phase: TRAIN }", "include { phase: TEST }"
