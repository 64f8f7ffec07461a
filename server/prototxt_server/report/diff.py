"""What an edit would change, as a unified diff."""

from __future__ import annotations


def unified(old: str, new: str, path: str) -> str:
    """A diff that `patch` applies; empty when nothing changes. path: the file's name on both sides."""
    import difflib  # only --diff pays

    lines = difflib.unified_diff(_lines(old), _lines(new), path, path)
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as diff and patch know them: they end with LF and nothing else."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])
