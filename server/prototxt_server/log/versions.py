"""Which Caffe wrote a log: the lines of net.cpp that print debug_info moved from version to version."""

from __future__ import annotations

from dataclasses import dataclass

from prototxt_server.log.record import Log


@dataclass(slots=True, frozen=True)
class Writer:
    """dialect: "" where none of ours is meant for certain. name: for people. why: how it is known."""

    dialect: str
    name: str
    why: str


_TOP_PARAM = {
    (638, 650): ("nvidia-0.15", "NVIDIA Caffe 0.15.2 to 0.15.14"),
    (591, 603): ("bvlc-1.0", "BVLC Caffe 1.0"),
    (593, 605): ("bvlc", "BVLC Caffe after 1.0"),
    (633, 645): ("", "NVIDIA Caffe 0.12 or 0.13"),
    (652, 663): ("", "BVLC Caffe rc3"),
}
"""Lines that print a top and a parameter blob (facts: each pair belongs to these versions and to no other)."""


def writer(log: Log) -> Writer:
    """Who wrote the log; an empty name when nothing tells."""
    if log.arrows:
        return Writer(
            "nvidia-0.16", "NVIDIA Caffe 0.16.1 to 0.17.2", "each blob has a line of its own (` -> top blob`)"
        )
    top, param = log.sources.get("top"), log.sources.get("param")
    for (top_line, param_line), (dialect, name) in _TOP_PARAM.items():
        told = [
            f"net.cpp:{line}" for found, line in ((top, top_line), (param, param_line)) if found == ("net.cpp", line)
        ]
        if told and (top is None or top[1] == top_line) and (param is None or param[1] == param_line):
            return Writer(dialect, name, f"debug lines come from {' and '.join(told)}")
    return Writer("", "", "")
