"""SUP001: suppression comments that silence nothing. `prototxt_server.suppress` finds them, for it applies them."""

from __future__ import annotations

from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import CONV, IMAGE


@rule
class UnusedSuppression(Rule):
    """A comment that silences nothing.

    ## What it does
    Reports a code in a `# lsp: ignore[...]` comment for which no finding exists at that place.

    ## Why is this bad?
    The finding has been cured, or the comment stands in the wrong place. Left there, it will hide the next finding of
    that code.

    ## Fix safety
    Safe: the code is taken out of the comment, and the comment with the last one.
    """

    code = "SUP001"
    name = "unused-suppression"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + "# lsp: ignore[SCH013] kept as published\n" + CONV.replace('  name: "conv"\n', "")),)
    BAD = (
        Example(IMAGE + "# lsp: ignore[SCH013] kept as published\n" + CONV, fixed=IMAGE + CONV),
        Example(IMAGE.replace('top: "data"', 'top: "data"  # lsp: ignore[NET002]'), fixed=IMAGE),
    )
