"""What the tests of logs share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prototxt_server.analysis import Source
from prototxt_server.log.findings import Report, report
from prototxt_server.log.reader import read_text

Judge = Callable[..., Report]


@pytest.fixture
def judged() -> Judge:
    """Reads and judges a log, with the net that was trained if one is given."""

    def run(text: str, net: str | None = None) -> Report:
        source = Source(net, "net.prototxt") if net is not None else None
        return report(read_text(text), "train.log", source)

    return run
