"""`lsp doctor`: what is installed, what is kept where, and whether a GPU can be used."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from prototxt_net.words import count
from prototxt_server.version import VERSION

_PACKAGES = ("lark", "pygls", "lsprotocol", "protobuf", "numpy", "click", "rich")
_LEVELDB = "plyvel" if sys.version_info < (3, 13) else "plyvel-next"
_EXTRAS = {
    "data": ("lmdb", "h5py", "pillow"),
    "leveldb": (_LEVELDB,),
    "cuda12": ("cupy-cuda12x",),
    "cuda13": ("cupy-cuda13x",),
}


@click.command("doctor", epilog="Example: lsp doctor")
def command() -> None:
    """Versions, cache folders, and the device probe step by step with a hint for each failure."""
    click.echo(f"prototxt-lsp {VERSION}, Python {platform.python_version()} ({sys.executable}), {platform.platform()}")
    for name, extra in [(p, "") for p in _PACKAGES] + [(p, extra) for extra, ps in _EXTRAS.items() for p in ps]:
        try:
            click.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"  {name} is not installed" + (f" (extra `{extra}`)" if extra else ""))
    from prototxt_server import cache

    entries, size = cache.size()
    place = cache.folder() or "there is no place for one"
    click.echo(f"Cache of `lsp check` (safe to delete): {place}, {count(entries, 'file')}, {size / 1e6:.1f} MB")
    from prototxt_gpu_check.client import WorkerError
    from prototxt_server.forward import worker

    with worker() as client:
        try:
            found = client.probe()
        except WorkerError as error:
            click.echo(f"The worker process does not start: {error}")
            raise SystemExit(1) from None
    if found.get("cache"):
        entries = sum(1 for path in Path(found["cache"]).rglob("*") if path.is_file())
        click.echo(f"Compiled GPU kernels (safe to delete): {found['cache']}, {count(entries, 'file')}")
    click.echo("GPU:")
    for step in found["steps"]:
        click.echo(f"  {'ok  ' if step['ok'] else 'FAIL'} {step['step']}: {step['detail']}")
    usable = f"{found['device']} can be used" if found["usable"] else f"the CPU will be used. {found['hint']}"
    click.echo(f"  {usable}")
