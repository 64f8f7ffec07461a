"""What the lines of a Caffe log look like: one expression a kind of line, over bytes.

Each expression starts with words that other text does not have, so that the search for it runs at the speed of memory.
None is tied to the start of a line: a pasted log often has several lines run together, with or without a blank between
a number and the next prefix, and the prefix itself (`I0804 10:22:42.074671  8318 net.cpp:638] `) may be missing.
"""

from __future__ import annotations

import math
import re

NUMBER = rb"[-+]?(?:\d+(?:\.(?:\d+|#[A-Z]+))?(?:e[-+]?\d+)?|nan|inf)"
"""As C++ streams print a number; Windows has `1.#QNAN`, `-1.#IND` and `1.#INF`."""
_END = rb"(?=[^\w.+#-]|[IWEF]\d{4})"
"""What follows a number that is not cut off: a blank, a bracket, the next prefix; never the end of the text."""

DEBUG = re.compile(rb"ward\] Layer ([^\n:]+|[^\n]+?): (" + NUMBER + rb")" + _END)
"""`[Forward] Layer L, top blob B data: V`, and `[Backward] Layer L, bottom blob B diff: V` (BVLC, NVIDIA up to 0.15
and from 0.17.3 on). Groups: all between "Layer" and the colon; the number. The first alternative is the fast
one; names with a colon need the second."""

_KEY = re.compile(rb"(?:.*ward\] Layer )?(.*?), (top|param|bottom) blob (.*) d(ata|iff)", re.DOTALL)

ARROW = re.compile(
    rb"ward\] Layer ([^\s,]+)(?!\S)"
    rb"|-> ((?:top|param|bottom) blob [^\n]+?), count: \d+(,? d(?:ata|iff)): (" + NUMBER + rb")" + _END
)
"""NVIDIA 0.16.1 to 0.17.2: a header line with the layer, then ` -> top blob B, count: N data: V` for each blob."""

_ITERATION = (
    rb"Iteration (\d+)(?: \(([-+.\w]+) iter/s[^)\n]*\))?[^\n=\]]{0,60}?"
    rb"(?:(loss|lr) = (" + NUMBER + rb")" + _END + rb"|, Testing net \(#(\d+)\))"
)

MARKERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("iteration", re.compile(_ITERATION)),
    (
        "output",
        re.compile(
            rb" net output(?: mAP)? #(\d+): ([^\n=]+?) = (" + NUMBER + rb")" + _END +
            rb"(?:\s*\(\* (" + NUMBER + rb") = (" + NUMBER + rb"))?"
        ),
    ),
    (
        "norms",
        re.compile(
            rb"All net params \(data, diff\): L1 norm = \((" + NUMBER + rb"), (" + NUMBER + rb")\); "
            rb"L2 norm = \((" + NUMBER + rb"), (" + NUMBER + rb")\)"
        ),
    ),
    (
        "update",
        re.compile(rb"Update\] Layer ([^\n,]+), param (?:blob )?(\S+)[^\n:]*?(?: data: (" + NUMBER + rb");)?"
                   rb" diff: (" + NUMBER + rb")" + _END),
    ),
    ("initializing", re.compile(rb"Initializing (net|solver) from parameters:")),
    ("base_lr", re.compile(rb"base_lr:")),
    ("creating", re.compile(rb"Creating (?:[Ll]ayer (\S+)|(training|test) net\b)")),
    ("made", re.compile(rb"Network initialization done")),
    ("backward", re.compile(rb" backward computation\b")),
    ("produces", re.compile(rb"This network produces output (\S+?)(?=[IWEF]\d{4}|\s|$)")),
    ("fatal", re.compile(rb"F\d{4,8} \d\d:\d\d:\d\d\.\d+ +\d+ ([\w.]+:\d+)\] ([^\n]*)")),
    ("check", re.compile(rb"heck failed(?: \(custom\))?: ?([^\n]*)")),
    ("signal", re.compile(rb"\*\*\* (SIG[A-Z]+) \(")),
    ("died", re.compile(rb"\(core dumped\)")),
    ("thrown", re.compile(rb"terminate called after throwing an instance of '([^'\n]*)'")),
    ("parser", re.compile(rb"Error parsing text-format (?:\w+\.)?(\w+): (\d+):(\d+): ([^\n]*)")),
    ("optimization", re.compile(rb"Optimization( Done)?\b")),
    ("weights", re.compile(rb"Finetuning from (\S+)")),
    ("weights", re.compile(rb"Resuming from (\S+)")),
)  # fmt: skip
"""Everything that is no debug_info value, by kind. Each is searched for on its own: the fewer, the faster."""

FRAME = re.compile(rb"caffe::(?:(\w+)Layer|Net|Solver)<[^>\n]*>::(\w+)\(")
"""A line of a stack trace. Groups: the class of the layer, the method."""
DIED = re.compile(rb"(Segmentation fault|Floating point exception) *$")
"""What a shell says before "(core dumped)"."""

EXCEPTION = re.compile(rb"\b(?:\w+\.)*\w*(?:Error|Exception): [^\n]+|what\(\): [^\n]+")
"""The last line of a Python traceback, and what a C++ exception says; both stand beside "terminate called"."""

PREFIX = re.compile(rb"[IWEF]\d{4,8} (?:\d\d:\d\d:\d\d\.\d+ +\d+ |\.\.\.)")
"""The beginning of glog's prefix: severity, month and day (with the year in newer glog), time, thread."""
SOURCE = re.compile(rb"(?: (\d+) )?([a-z_0-9]+\.[ch]pp):(\d{1,6})\]")
"""Its end."""

SOLVER_FIELD = re.compile(
    rb"(test_interval|test_initialization|base_lr|display|max_iter|lr_policy|weight_decay|debug_info|momentum"
    rb"|solver_mode|random_seed|net|train_net|iter_size|clip_gradients)"
    rb":\s*\"?([^\s\"]*?)\"?(?=$|\s|[a-z_]+:)"
)
"""Fields of a solver as Caffe prints it, or pasted with the line ends lost."""
LAYER_HEAD = re.compile(rb"layers?\s*\{\s*name:\s*\"([^\"\n]*)\"\s*type:\s*\"?(\w+)\"?")
"""The head of a layer as Caffe prints a net; works on nets that are cut off or run together too."""


def number(text: bytes) -> float:
    """The value that C++ printed. Never raises for what NUMBER matches."""
    try:
        return float(text)
    except ValueError:
        return math.copysign(math.inf, -1 if text[:1] == b"-" else 1) if b"INF" in text else math.nan


def text(raw: bytes) -> str:
    """What a log says, for people."""
    return raw.decode("utf-8", "replace")


def key(raw: bytes) -> tuple[str, str, str, bool] | None:
    """(layer, "top" | "param" | "bottom", blob, whether it is a gradient) of what DEBUG's first group holds."""
    found = _KEY.fullmatch(raw)
    if found is None:
        return None
    layer, part, blob, kind = found.groups()
    return text(layer), part.decode(), text(blob), kind == b"iff"
