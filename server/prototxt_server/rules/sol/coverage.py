"""SOL014: whether the test iterations go once over the test set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding, Related
from prototxt_server.linked.states import instances
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.dat.common import HEAD, images
from prototxt_server.rules.sol.common import SolverRule, solver, write

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked


def _files(lines: int) -> dict[str, str]:
    return {"train_val.prototxt": images() + HEAD, "list.txt": "".join(f"{i}.jpg {i % 10}\n" for i in range(lines))}


@rule
class TestCoverage(SolverRule):
    """## What it does
    Mentions a `test_iter` that does not go once over the test set, where the set can be counted: a list of images, or
    an LMDB (with the extra `data`).

    ## Why is this bad?
    Too few iterations leave a part of the set out, and another one in each test; too many count some samples twice. The
    accuracy is then that of another set, and differs from test to test.

    ## Fix safety
    Unsafe: the test takes longer, or less long.
    """

    code = "SOL014"
    name = "test-coverage"
    severity = "info"
    fix_safety = "unsafe"
    GOOD = (
        Example(solver(test_iter="2"), files=_files(64)),
        Example(solver(test_iter="3"), files=_files(65)),
        Example(solver(), files={"train_val.prototxt": images() + HEAD}),
    )
    BAD = (
        Example(solver(test_iter="1"), files=_files(64), fixed=solver(test_iter="2")),
        Example(solver(test_iter="100"), files=_files(65), fixed=solver(test_iter="3")),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Test nets with one source."""
        sizes = dict(linked.records)
        if not sizes:
            return
        given = analysis.file.root.all("test_iter")
        for made in instances(analysis, linked):
            feeding = [node for node in made.net.nodes if not node.layer.bottoms]
            if made.number < 0 or made.number >= len(given) or len(feeding) != 1:
                continue
            node = feeding[0]
            param = "image_data_param" if node.type == "ImageData" else "data_param"
            total = sizes.get(str(node.param(param).get("source"))) if node.type in ("ImageData", "Data") else None
            shape = node.tops[0].shape if node.tops else None
            batch = shape[0] if shape else None
            if not total or not isinstance(batch, int) or batch <= 0:
                continue
            need, times = -(-total // batch), int(given[made.number])
            if times == need or times <= 0:
                continue
            what = "a part is never tested" if times < need else "some are counted twice"
            start, end = node.layer.at(f"{param}.source")
            yield self.on(
                analysis,
                "test_iter",
                f"test_iter {times} with batches of {batch} is {times * batch}, the test set has {total}: {what}. Use "
                f"test_iter {need}.",
                index=made.number,
                fix=write(analysis, "unsafe", "test_iter", str(need)) if len(given) == 1 else None,
                related=(Related(f"{total} samples", start, end, made.link.path),),
            )
