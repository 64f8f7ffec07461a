"""How much memory this machine, or the container around this process, still has to give.

Linux hands out memory that it does not have and kills the process that touches it, so an allocation that fails is no
warning there: what a pass needs has to be compared before it runs.
"""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Versions 2 and 1, as a container sees its own: (folder, limit, use, what of the use can be had back)."""


def available() -> int | None:
    """Bytes that can still be had, swap included; None where nobody tells (not Linux)."""
    found = [n for n in (_machine(), *(_container(*names) for names in CGROUPS)) if n is not None]
    return min(found, default=None)


def _machine() -> int | None:
    kib = _table(MEMINFO)
    free = kib.get("MemAvailable:")
    return None if free is None else 1024 * (free + kib.get("SwapFree:", 0))


def _container(folder: Path, limit: str, use: str, reclaimable: str) -> int | None:
    try:
        most = (folder / limit).read_text().strip()
        used = int((folder / use).read_text())
    except (OSError, ValueError):
        return None
    if not most.isdigit():
        return None  # "max"
    return max(0, int(most) - used + _table(folder / "memory.stat").get(reclaimable, 0))


def _table(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {words[0]: int(words[1]) for words in pairs if len(words) > 1 and words[1].isdigit()}
