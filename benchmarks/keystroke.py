"""What a keystroke in ResNet-152 costs the language server: from didChange to diagnostics ready, in server CPU.

    python benchmarks/keystroke.py [NET] [--edits N] [--stdio]

The same random edits (letters, digits, quotes, braces, whole lines) go through four ways of following a text:

    ours          splice, incremental analysis with all rules, diagnostics as LSP objects
    fresh         the same analysis from nothing on every keystroke
    text_format   google.protobuf.text_format.Parse of the whole text, into a message of our own schema's shape:
                  syntax only, no rules; what a checker without increments pays before it begins
    tree-sitter   incremental parse with the textproto grammar: syntax only (when it is installed)

With `--stdio` the edits also go to a real server over pipes; then the CPU that the server process used per edit is read
from the operating system.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lsprotocol import types

from prototxt_grammar import LineIndex
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked import Reader
from prototxt_server.lsp import convert
from prototxt_server.lsp.document import Document
from prototxt_server.lsp.housekeeping import PAUSE_S, thorough, tidy
from prototxt_server.lsp.session import warm_up

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT.parent / "shared/corpus/KaimingHe__deep-residual-networks/prototxt/ResNet-152-deploy.prototxt"
GOAL_MS = 16.0

Edit = tuple[int, int, str]


def resnet(blocks: tuple[int, ...] = (3, 8, 36, 3)) -> str:
    """An own net of the same shape (bottleneck blocks), for when the published file is absent."""
    lines = ['name: "ResNet"', 'input: "data"', "input_dim: 1", "input_dim: 3", "input_dim: 224", "input_dim: 224", ""]

    def layer(name: str, type_: str, bottoms: list[str], top: str, *body: str) -> str:
        lines.extend(["layer {", *(f'\tbottom: "{bottom}"' for bottom in bottoms)])
        lines.extend([f'\ttop: "{top}"', f'\tname: "{name}"', f'\ttype: "{type_}"', *(f"\t{line}" for line in body)])
        lines.extend(["}", ""])
        return top

    def conv(name: str, bottom: str, outputs: int, kernel: int, stride: int, relu: bool) -> str:
        fields = [f"num_output: {outputs}", f"kernel_size: {kernel}", f"pad: {kernel // 2}", f"stride: {stride}"]
        body = ["convolution_param {", *(f"\t{line}" for line in [*fields, "bias_term: false"]), "}"]
        top = layer(name, "Convolution", [bottom], name, *body)
        layer(f"bn_{name}", "BatchNorm", [top], top, "batch_norm_param {", "\tuse_global_stats: true", "}")
        layer(f"scale_{name}", "Scale", [top], top, "scale_param {", "\tbias_term: true", "}")
        return layer(f"{name}_relu", "ReLU", [top], top) if relu else top

    here = conv("conv1", "data", 64, 7, 2, True)
    here = layer("pool1", "Pooling", [here], "pool1", "pooling_param {", "\tkernel_size: 3 stride: 2 pool: MAX", "}")
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for block in range(count):
            name, stride = f"res{stage + 2}b{block}", 2 if stage and not block else 1
            short = here if block else conv(f"{name}_branch1", here, 4 * width, 1, stride, False)
            deep = conv(f"{name}_branch2a", here, width, 1, stride, True)
            deep = conv(f"{name}_branch2b", deep, width, 3, 1, True)
            deep = conv(f"{name}_branch2c", deep, 4 * width, 1, 1, False)
            here = layer(name, "Eltwise", [short, deep], name)
            layer(f"{name}_relu", "ReLU", [here], here)
    body = ["pooling_param {", "\tkernel_size: 7 stride: 1 pool: AVE", "}"]
    here = layer("pool5", "Pooling", [here], "pool5", *body)
    here = layer("fc1000", "InnerProduct", [here], "fc1000", "inner_product_param {", "\tnum_output: 1000", "}")
    layer("prob", "Softmax", [here], "prob")
    return "\n".join(lines)


def typing_edits(text: str, count: int, seed: int) -> Iterator[tuple[Edit, str]]:
    """Edits and the text after each: one to four at random places, any of which may break the net, then all undone."""
    chance = random.Random(seed)
    typed = ["a", "7", " ", "_", "{", "}", '"', ":", "#", "\n", "\tbias_term: false\n", 'layer {\n\tname: "x"\n}\n', ""]
    while True:
        undo: list[Edit] = []
        todo = chance.randint(1, 4)
        while todo or undo:
            if todo:
                todo -= 1
                start = chance.randrange(len(text))
                stop, content = min(len(text), start + chance.choice([0, 0, 0, 1, 1, 4])), chance.choice(typed)
                undo.append((start, start + len(content), text[start:stop]))
            else:
                start, stop, content = undo.pop()
            text = text[:start] + content + text[stop:]
            yield (start, stop, content), text
            count -= 1
            if not count:
                return


def measured(
    run: Callable[[Edit, str], object], edits: list[tuple[Edit, str]], between: list[float] | None = None
) -> list[float]:
    """CPU milliseconds of each edit. The garbage is collected as the server does it: in the pause after the edit.

    between: gets the milliseconds that this took.
    """
    times = []
    gc.disable()
    thorough()
    for edit, text in edits:
        begun = time.process_time_ns()
        run(edit, text)
        done = time.process_time_ns()
        tidy()
        times.append((done - begun) / 1e6)
        if between is not None:
            between.append((time.process_time_ns() - done) / 1e6)
    gc.unfreeze()
    gc.enable()
    return times


def ours(text: str, path: Path | None = None) -> Callable[[Edit, str], object]:
    """The server's own path, without the pipe: change, analyse, make diagnostics.

    path: where the text is from; the files that stand beside it are looked at as the server looks at them.
    """
    uri = path.resolve().as_uri() if path else "untitled:net.prototxt"
    document = Document(uri, text, 1, "utf-16")
    settings, reader = Settings(), Reader()
    document.analysis(settings, reader)
    warm_up()

    def run(edit: Edit, after: str) -> object:
        start, end, content = edit
        where = convert.range_of(document, start, end)
        change = types.TextDocumentContentChangePartial(range=where, text=content)
        document.change((document.version or 0) + 1, [change])
        found = document.analysis(settings, reader).findings
        assert document.text == after
        return [convert.diagnostic(document, finding) for finding in found]

    return run


def fresh(text: str) -> Callable[[Edit, str], object]:
    """Everything from nothing."""
    return lambda edit, after: (LineIndex(after), analyze(Source(after)))


def text_format(text: str) -> Callable[[Edit, str], object] | None:
    """Protobuf's own parser over the whole text, with descriptors made from our schema."""
    try:
        from google.protobuf import text_format as parser

        from prototxt_net.schema.descriptors import message_class

        message = message_class("bvlc", "NetParameter")
    except ImportError:
        return None

    def run(edit: Edit, after: str) -> object:
        try:
            return parser.Parse(after, message())
        except parser.ParseError as error:
            return error

    return run


def tree_sitter(text: str) -> Callable[[Edit, str], object] | None:
    """tree-sitter's incremental parse; None when it or its grammar is not installed."""
    try:
        import tree_sitter_textproto
        from tree_sitter import Language, Parser
    except ImportError:
        return None
    parser = Parser(Language(tree_sitter_textproto.language()))
    state = {"tree": parser.parse(text.encode()), "index": LineIndex(text)}

    def run(edit: Edit, after: str) -> object:
        start, end, content = edit
        before, now = state["index"], LineIndex(after)
        stop = start + len(content)
        places = (before.position(start, "utf-8"), before.position(end, "utf-8"), now.position(stop, "utf-8"))
        state["tree"].edit(start, end, stop, *places)  # the texts here are ASCII: offsets are bytes
        state["tree"], state["index"] = parser.parse(after.encode(), state["tree"]), now
        return state["tree"].root_node.has_error

    return run


def over_pipes(text: str, edits: list[tuple[Edit, str]]) -> list[float]:
    """The server process's CPU for each edit, from the change's arrival to the answer of a pull."""
    import asyncio

    from pytest_lsp import LanguageClient, make_test_lsp_client

    async def session() -> list[float]:
        client: LanguageClient = make_test_lsp_client()
        client.feature("prototxt/status")(lambda params: None)
        await client.start_io(sys.executable, "-m", "prototxt_server", "serve", "--stdio")
        diagnostic = types.TextDocumentClientCapabilities(diagnostic=types.DiagnosticClientCapabilities())
        can = types.ClientCapabilities(text_document=diagnostic)
        await client.initialize_session(types.InitializeParams(capabilities=can, root_uri="file:///nets"))
        uri = "file:///nets/net.prototxt"
        item = types.TextDocumentItem(uri, "prototxt", 1, text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        pull = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
        await client.text_document_diagnostic_async(pull)
        pid, times, index = client._server.pid, [], LineIndex(text)
        for version, ((start, end, content), _) in enumerate(edits, 2):
            where = types.Range(types.Position(*index.position(start)), types.Position(*index.position(end)))
            index = index.updated(start, end, content)
            begun = process_cpu_ms(pid)
            client.text_document_did_change(
                types.DidChangeTextDocumentParams(
                    types.VersionedTextDocumentIdentifier(version, uri),
                    [types.TextDocumentContentChangePartial(range=where, text=content)],
                )
            )
            await client.text_document_diagnostic_async(pull)
            times.append(process_cpu_ms(pid) - begun)
            await asyncio.sleep(3 * PAUSE_S)  # a fast typist; the server tidies up meanwhile
        await client.shutdown_session()
        return times

    return asyncio.run(session())


def process_cpu_ms(pid: int) -> float:
    """CPU time of all threads of another process, from the scheduler's nanosecond counters."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def row(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{name:<14}{len(times):>7}{statistics.median(times):>10.2f}{p99:>10.2f}{ordered[-1]:>10.2f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("net", nargs="?", type=Path)
    options.add_argument("--edits", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--stdio", action="store_true", help="also over pipes, with the CPU of the server process")
    asked = options.parse_args()
    path = asked.net or (CORPUS if CORPUS.exists() else None)
    text = path.read_text() if path else resnet()
    name = path.name if path else "own bottleneck net"
    edits = list(typing_edits(text, asked.edits, asked.seed))
    layers = text.count("\nlayer {")
    print(f"{name}: {layers} layers, {len(text):,} characters, {len(edits)} edits; CPU ms per edit")
    print(f"{'':<14}{'edits':>7}{'p50':>10}{'p99':>10}{'max':>10}")
    pauses: list[float] = []
    mine = measured(ours(text, path), edits, pauses)
    print(row("ours", mine))
    print(row("(its pauses)", pauses))
    slow = edits[: max(1, len(edits) // 10)]  # the others do the same work on every edit: fewer tell as much
    print(row("fresh", measured(fresh(text), slow)))
    for peer, make in (("text_format", text_format), ("tree-sitter", tree_sitter)):
        run = make(text)
        print(row(peer, measured(run, slow)) if run else f"{peer:<14} not installed")
    if asked.stdio:
        print(row("over pipes", over_pipes(text, edits)))
    p99 = sorted(mine)[min(len(mine) - 1, int(0.99 * len(mine)))]
    print(f"goal: p99 <= {GOAL_MS:.0f} ms: {'held' if p99 <= GOAL_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
