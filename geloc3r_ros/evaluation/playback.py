# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which messages of a bag are played, and when each is due; without ROS and without a clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from geloc3r_ros.errors import BagError, ConfigError
from geloc3r_ros.evaluation.bags import BagReader, RawMessage

__all__ = ["Due", "Excerpt", "schedule"]


@dataclass(frozen=True)
class Excerpt:
    """The part of a bag to play, and how fast.

    Attributes:
        rate: speed; 2 plays twice as fast as it was recorded.
        loop: begin again at the end, with the stamps as they are stored.
        start: seconds of the bag to leave out at its beginning.
        duration: seconds of the bag to play; to its end where None.

    Raises:
        ConfigError: if a number is out of range.
    """

    rate: float = 1.0
    loop: bool = False
    start: float = 0.0
    duration: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ConfigError(f"rate is {self.rate}; it must be above 0")
        if not 0 <= self.start < math.inf:
            raise ConfigError(f"start is {self.start} s; it must be 0 or more")
        if self.duration is not None and not 0 < self.duration < math.inf:
            raise ConfigError(f"duration is {self.duration} s; it must be above 0")

    def span(self, bag: BagReader) -> tuple[int, int]:
        """Stamps (ns) that are played: from the first up to and including the second.

        Raises:
            BagError: if the bag ends before the excerpt begins.
        """
        first = bag.start + round(self.start * 1e9)
        if first > bag.end:
            length = (bag.end - bag.start) / 1e9
            raise BagError(f"{bag.path} lasts {length:.1f} s; start is {self.start} s")
        if self.duration is None:
            return first, bag.end
        return first, min(bag.end, first + round(self.duration * 1e9) - 1)


class Due(NamedTuple):
    """A message, and the seconds after the first moment of playing at which it is due."""

    time: float
    message: RawMessage


def schedule(
    bag: BagReader, excerpt: Excerpt, topics: Collection[str], latched: Collection[str]
) -> Iterator[Due]:
    """Yield the messages to play, in order; without end where the excerpt loops.

    What was sent on a latched topic before the excerpt begins is due at once, as a subscriber who
    came at that moment would have got it. Between two passes lies the mean time between two
    messages of the busiest topic, so that a loop keeps the rhythm of the recording.

    Args:
        bag: an open bag.
        excerpt: what to play of it.
        topics: names of the topics to play, at least one.
        latched: those of them whose messages are kept for late subscribers.

    Raises:
        BagError: if there is nothing to play.
    """
    first, last = excerpt.span(bag)
    if latched:
        for message in bag.messages(latched, stop=first):
            yield Due(0.0, message)
    begin = 0.0
    while True:
        counts: Counter[str] = Counter()
        for message in bag.messages(topics, first, last + 1):
            counts[message.topic] += 1
            yield Due(begin + (message.stamp - first) / 1e9 / excerpt.rate, message)
        if not counts:
            raise BagError(
                f"{bag.path} has no messages on {', '.join(sorted(topics))} "
                f"from {excerpt.start} s on; choose other topics, start or duration"
            )
        if not excerpt.loop:
            return
        intervals = max(max(counts.values()) - 1, 1)
        begin += (last - first) * (1 + 1 / intervals) / 1e9 / excerpt.rate
