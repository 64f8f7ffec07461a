"""The fix of a dynamic finding: what a static rule has to say about the layer that the numbers blame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prototxt_net.finding import Finding

CAUSES: dict[str, tuple[str, ...]] = {
    "DYN001": ("SHP010", "SHP011", "BN050", "BN010"),
    "DYN002": ("INI002", "INI001", "BN031", "BN022", "INI010", "SHP014"),
    "DYN003": ("BN031", "BN022", "BN034"),
    "DYN004": ("BN017",),
    "DYN005": ("INI002", "INI001"),
    "DYN006": ("INI010",),
    "DYN007": ("INI010",),
    "DYN010": ("INI003", "INI004", "INI005", "BN010", "SHP010", "SHP011"),
    "DYN011": ("INI003", "INI004", "INI005", "BN023"),
    "DYN012": ("BN010", "BN018"),
    "DYN013": ("INI005", "INI003", "INI004"),
    "DYN014": ("BN050", "BN051"),
    "DYN017": ("FRZ001", "BN030"),
    "DYN023": ("INI003", "INI004"),
    "DYN027": ("DAT001", "DAT002"),
    "DYN028": ("INI002", "INI001", "BN031", "BN022", "NET006", "NET007"),
    "DYN029": ("INI002",),
    "DYN030": ("INI005", "INI003", "INI004"),
    "DYN031": ("INI003", "INI004", "INI005"),
    "DYN034": ("FRZ003", "NET015"),
}
"""Static rules about the fields that a dynamic finding comes from, the likeliest first."""


def advised(found: Iterable[Finding], static: Sequence[Finding]) -> list[Finding]:
    """Dynamic findings with the fix, or else the code, of the first static finding at their layer that explains it."""
    return [_advised(finding, static) for finding in found]


def _advised(finding: Finding, static: Sequence[Finding]) -> Finding:
    codes = CAUSES.get(finding.code, ())
    here = sorted(
        (f for f in static if f.code in codes and f.layer == finding.layer and f.layer is not None),
        key=lambda f: (f.fix is None, codes.index(f.code)),
    )
    if not here:
        return finding
    says = "has a fix for `lsp check`" if here[0].fix is not None else "tells more"
    return finding._replace(message=f"{finding.message} {here[0].code} {says}.", fix=here[0].fix)
