# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fault: what is done to the node, and what must be seen of it then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from faults.rig import Rig, Start
from helpers.robot import wait_until

__all__ = [
    "Answered",
    "Counted",
    "Exited",
    "Fault",
    "InState",
    "Logged",
    "Lost",
    "Observation",
    "Says",
    "Tells",
    "endure",
    "nothing",
]

SEEN_SECONDS = 20.0
AGAIN_SECONDS = 4.0


class Observation(Protocol):
    """Something that can be seen of the node; its text is the behaviour in the table."""

    def holds(self, rig: Rig) -> bool:
        """Whether it is seen now."""


@dataclass(frozen=True)
class Counted:
    """A counter of the status rose by at least so much since the fault began."""

    key: str
    by: int = 1

    def holds(self, rig: Rig) -> bool:
        return rig.counted(self.key) >= self.by

    def __str__(self) -> str:
        return f"counted in `{self.key}`"


@dataclass(frozen=True)
class Lost:
    """What arrived did not reach the node: a counter did not rise."""

    key: str

    def holds(self, rig: Rig) -> bool:
        return rig.counted(self.key) == 0

    def __str__(self) -> str:
        return f"not counted in `{self.key}`"


@dataclass(frozen=True)
class Says:
    """The message of the status has these words."""

    words: str

    def holds(self, rig: Rig) -> bool:
        return any(self.words in status.message for status in rig.statuses())

    def __str__(self) -> str:
        return f"status says `{self.words}`"


@dataclass(frozen=True)
class Tells:
    """A value of the status has these words."""

    key: str
    words: str

    def holds(self, rig: Rig) -> bool:
        return any(self.words in rig.value(self.key, status) for status in rig.statuses())

    def __str__(self) -> str:
        return f"`{self.key}`: `{self.words}`"


@dataclass(frozen=True)
class Logged:
    """The process wrote these words since the fault began."""

    words: str

    def holds(self, rig: Rig) -> bool:
        return self.words in rig.log()

    def __str__(self) -> str:
        return f"log says `{self.words}`"


@dataclass(frozen=True)
class Answered:
    """So many right poses came since the fault began."""

    count: int = 1

    def holds(self, rig: Rig) -> bool:
        return rig.answered() >= self.count

    def __str__(self) -> str:
        return "pose published, as recomputed"


@dataclass(frozen=True)
class InState:
    """The node is in this lifecycle state."""

    label: str

    def holds(self, rig: Rig) -> bool:
        return rig.state() == self.label

    def __str__(self) -> str:
        return f"state is {self.label}"


@dataclass(frozen=True)
class Exited:
    """The process ended with this exit code."""

    code: int = 0

    def holds(self, rig: Rig) -> bool:
        return rig.process.poll() == self.code

    def __str__(self) -> str:
        return f"ends with exit code {self.code}"


def nothing(rig: Rig) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """One row of docs/reliability.md.

    Attributes:
        name: what happens, in the words of the table.
        inject: makes it happen; may assert more than ``seen`` says.
        seen: what must be observed while it lasts.
        cure: ends it.
        parameters: those of the node that matter, besides the rig's.
        state: lifecycle state in which it happens; "": that in which the process starts.
        traceback: whether a traceback belongs into the log.
        start: how the process has to be started.
        ends: the process is not there afterwards; a new one has to be as good.
        again: whether to inject it again where nothing is seen; a message may get lost.
    """

    name: str
    inject: Callable[[Rig], None]
    seen: tuple[Observation, ...]
    cure: Callable[[Rig], None] = nothing
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    state: str = "active"
    traceback: bool = False
    start: Start = field(default_factory=Start)
    ends: bool = False
    again: bool = False

    @property
    def behaviour(self) -> str:
        """What is seen, in words."""
        return "; ".join(map(str, self.seen))


def endure(rig: Rig, fault: Fault) -> float:
    """Let a fault happen; return the seconds until all was well again after its end.

    Raises:
        AssertionError: if it was not seen as it must be, or the node did not recover, or a pose
            was wrong.
    """
    new = rig.require(fault.start)
    if fault.state:
        rig.become(fault.state, fault.parameters)
        if new and fault.state == "active":
            rig.recover()
        rig.mark()
    try:
        fault.inject(rig)
        _observe(rig, fault)
    finally:
        fault.cure(rig)
    if fault.ends:
        return 0.0
    rig.become("active")
    seconds = rig.recover()
    wrong, rig.ledger.wrong = rig.ledger.wrong, []
    assert not wrong, f"{fault.name}: {wrong}"
    return seconds


def _observe(rig: Rig, fault: Fault) -> None:
    for observation in fault.seen:
        if fault.again and not wait_until(lambda: observation.holds(rig), AGAIN_SECONDS):  # noqa: B023
            fault.inject(rig)
        assert wait_until(lambda: observation.holds(rig), SEEN_SECONDS), (  # noqa: B023
            f"{fault.name}: not seen that {observation}; the status says {rig.says()!r}, "
            f"{rig.statuses()[-1:]}, the log\n{rig.log()}"
        )
    assert fault.traceback or "Traceback" not in rig.log(), rig.log()
