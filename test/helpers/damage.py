# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a bad disk, a broken driver or a stranger makes of good input; as hypothesis strategies.

Properties that use these take no fixtures, so that another engine can drive them, see
test/fuzz/atheris_fuzz.py.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from geloc3r_ros.errors import GeLoc3rError

SCRATCH = tempfile.TemporaryDirectory(prefix="geloc3r-fuzz-")
FEWER = settings(max_examples=settings.default.max_examples // 5)  # for costly properties
LONGEST_MESSAGE = 4000  # characters; a log line, not a dump of the input

NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([10**400, 2**31, 2**63, 2**64 - 1, 1e308, -1e308, 5e-324, 1e-30]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
STAMPS = st.tuples(
    st.one_of(st.integers(-2, 2), st.integers(-(2**31), 2**31 - 1)),
    st.one_of(st.integers(0, 2), st.integers(0, 2**32 - 1)),
)

_RUNS = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80", b"[" * 5000]),
)
_EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 4, 8, 1000]), _RUNS), max_size=6
)


@functools.cache
def scratch(name: str) -> Path:
    """A folder for files that are written over and over; gone when the process ends."""
    folder = Path(SCRATCH.name) / name
    folder.mkdir()
    return folder


def damaged(*originals: bytes) -> st.SearchStrategy[bytes]:
    """Good bytes with stretches replaced, taken out or put in, and perhaps cut off."""

    def damage(original: bytes, edits: list[tuple[float, int, bytes]], kept: float) -> bytes:
        data = bytearray(original)
        for place, length, new in edits:
            start = int(place * len(data))
            data[start : start + length] = new
        return bytes(data[: round(kept * len(data))])

    kept = st.one_of(st.just(1.0), st.floats(0, 1))
    return st.builds(damage, st.sampled_from(originals), _EDITS, kept)


@st.composite
def altered(draw: st.DrawFn, value: Any) -> Any:
    """A nest of lists and mappings in which one thing is another, missing or new."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 4)) == 0:
        return draw(ANYTHING)
    items = value.items() if isinstance(value, dict) else enumerate(value)
    copy: Any = dict(items) if isinstance(value, dict) else list(value)
    chosen = draw(st.sampled_from(list(copy) if isinstance(copy, dict) else range(len(copy))))
    what = draw(st.sampled_from(["alter", "alter", "remove", "add"]))
    if what == "alter":
        copy[chosen] = draw(altered(copy[chosen]))
    elif what == "remove":
        del copy[chosen]
    elif isinstance(copy, dict):
        copy[draw(st.text(max_size=8))] = draw(ANYTHING)
    else:
        copy.insert(chosen, draw(ANYTHING))
    return copy


@contextlib.contextmanager
def refused_in_words() -> Iterator[None]:
    """All that bad input may raise is an error for the user, in words that can be printed."""
    try:
        yield
    except GeLoc3rError as error:
        check_words(str(error))


def check_words(text: str) -> None:
    """Check that a message can be a line of a log."""
    assert text.strip()
    assert len(text) <= LONGEST_MESSAGE, text[:LONGEST_MESSAGE]
    assert text.encode("utf-8")
    assert "\x1b" not in text, "a terminal would obey it"
