"""A log that was put away compressed, as the log that it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    import zlib

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16
_WITH_HEADER = 31
"""zlib's windowBits for data with gzip's header."""


class _Gzip(io.RawIOBase):
    """What can be unpacked: a file that is cut off, damaged or still being written ends there."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._packed = b""
        self._unpacker: zlib._Decompress | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end only."""
        import zlib

        while True:
            self._packed = self._packed or self._stream.read(_CHUNK)
            if not self._packed:
                return b""
            self._unpacker = self._unpacker or zlib.decompressobj(_WITH_HEADER)
            try:
                found = self._unpacker.decompress(self._packed, max(size, 0))
            except zlib.error:
                return b""
            self._packed = self._unpacker.unconsumed_tail
            if self._unpacker.eof:  # another one may be appended
                self._packed, self._unpacker = self._unpacker.unused_data, None
            if found:
                return found


def plain(stream: BinaryIO) -> BinaryIO:
    """The stream, or what it holds compressed (gzip)."""
    if not isinstance(stream, io.BufferedReader):
        stream = io.BufferedReader(cast(io.RawIOBase, stream))
    return cast(BinaryIO, _Gzip(stream)) if stream.peek(len(GZIP)).startswith(GZIP) else stream
