"""What nobody would read through is said once: a file that is no net, and one defect at hundreds of places."""

from __future__ import annotations

from collections import Counter

from prototxt_net.finding import Finding
from prototxt_net.words import count

LISTED = 100
"""So many findings of one rule with the same words are listed. Those with a fix all are, so that all are fixed."""

NO_NET, KEPT_BESIDE = "SYN012", frozenset({"SYN008", "SYN012"})


def fold(findings: list[Finding]) -> list[Finding]:
    """The findings (sorted by place) without what only repeats another one; equal for equal findings.

    An aborting SYN012 says that the text is no net at all; what else cannot be read in it follows from that. What was
    said about a net that stands in it, in a letter for example, is kept.
    """
    if len(findings) <= LISTED and not any(finding.code == NO_NET for finding in findings):
        return findings
    if any(finding.code == NO_NET and finding.caffe_aborts for finding in findings):
        return [f for f in findings if f.code in KEPT_BESIDE or not f.code.startswith(("SYN", "SCH", "SUP"))]
    total = Counter((finding.code, finding.message) for finding in findings if finding.fix is None)
    if max(total.values(), default=0) <= LISTED:
        return findings
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for finding in findings:
        key = (finding.code, finding.message)
        if finding.fix is None and total[key] > LISTED:
            seen[key] += 1
            if seen[key] > LISTED:
                continue
            if seen[key] == LISTED:
                more = count(total[key] - LISTED, "more place")
                finding = finding._replace(message=f"{finding.message} The same at {more}, which are not listed.")
        kept.append(finding)
    return kept
