# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes a bag, for machines without rosbag2; the body of ``geloc3r replay``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.validate_full_topic_name import validate_full_topic_name
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rosbags.interfaces import QosDurability, QosReliability
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation.bags import BagReader, Topic
from geloc3r_ros.evaluation.playback import Due, Excerpt, schedule
from geloc3r_ros.nodes.bare_node import bare_node, message_type

__all__ = ["Summary", "replay"]

CLOCK = "/clock"
CLOCK_PERIOD = 1 / 40  # seconds between two messages on /clock
SETTLED = 1.0  # seconds without a new subscriber after which all are taken to be there
LINGER = 0.3  # seconds the last best-effort messages get to leave the shared memory


@dataclass
class Summary:
    """What was played: messages by topic, seconds of the bag, and how late they left (s)."""

    counts: Counter[str] = field(default_factory=Counter)
    position: float = 0.0
    interrupted: bool = False
    mean_lateness: float = 0.0
    worst_lateness: float = 0.0


def replay(
    bag: Path,
    *,
    rate: float = 1.0,
    loop: bool = False,
    start: float = 0.0,
    duration: float | None = None,
    topics: Collection[str] = (),
    clock: bool = False,
    wait: float = 5.0,
    console: Console | None = None,
) -> Summary:
    """Publish the messages of a bag as they are stored, at the times at which they were recorded.

    Ctrl-C and SIGTERM end it early and in order.

    Args:
        bag: folder of a rosbag2, or a single .mcap or .db3 file.
        rate: speed; 2 plays twice as fast.
        loop: begin again at the end. Stamps stay as stored, so they step back, as with rosbag2.
        start: seconds of the bag to leave out at its beginning.
        duration: seconds of the bag to play; to its end where None.
        topics: names of the topics to play; all where empty.
        clock: publish the time of the recording on ``/clock``, 40 times a second, in place of a
            ``/clock`` in the bag.
        wait: seconds to wait at most for subscribers before the first message.
        console: where progress and the summary are shown; stderr by default.

    Raises:
        BagError: if the bag cannot be read, or nothing of it can be published.
        ConfigError: if a number is out of range.
    """
    console = console or Console(stderr=True)
    excerpt = Excerpt(rate, loop, start, duration)
    summary = Summary()
    with BagReader(bag) as reader, bare_node("geloc3r_replay") as node:
        first, last = excerpt.span(reader)
        selected = _selected(reader, topics)
        if clock and any(topic.name == CLOCK for topic in selected):
            selected = [topic for topic in selected if topic.name != CLOCK]
            console.print(f"Skipped {CLOCK}: in its place goes the time of the recording.")
        publishers = _publishers(node, selected, console)
        latched = [
            topic
            for topic, publisher in publishers.items()
            if publisher.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
        ]
        with _progress(console, (last - first) / 1e9, rate) as (progress, task):
            player = _Player(publishers, first, rate, summary, progress, task)
            if clock:
                player.clock = node.create_publisher(Clock, CLOCK, 10)
            try:
                # Others than the node may listen to TF long before it listens to images.
                images = [p for p in publishers.values() if p.msg_type in (Image, CompressedImage)]
                if not _await_subscribers(images or publishers.values(), wait):
                    console.print(f"No subscriber came within {wait:g} s; playing all the same.")
                player.play(schedule(reader, excerpt, list(publishers), latched))
            except KeyboardInterrupt:
                summary.interrupted = True
        _finish(publishers.values())
    _print_summary(console, summary, (last - first) / 1e9)
    return summary


def _selected(bag: BagReader, names: Collection[str]) -> list[Topic]:
    filled = {name: topic for name, topic in bag.topics.items() if topic.count}
    wanted = ["/" + name.lstrip("/") for name in names] or list(filled)
    if unknown := sorted(set(wanted) - set(filled)):
        raise BagError(
            f"the bag {bag.path} has no messages on {', '.join(unknown)}; "
            f"it has some on {', '.join(sorted(filled)) or 'no topic'}"
        )
    return [filled[name] for name in wanted]


def _publishers(node: Node, topics: Iterable[Topic], console: Console) -> dict[str, Publisher]:
    publishers = {}
    for topic in topics:
        kind = message_type(topic.type)
        if kind is None:
            console.print(f"Skipped {topic.name}: {topic.type} is not installed here.")
            continue
        try:
            validate_full_topic_name(topic.name)
        except InvalidTopicNameException as error:
            console.print(f"Skipped {topic.name!r}: {error}")
            continue
        publishers[topic.name] = node.create_publisher(kind, topic.name, _qos(topic))
    if not publishers:
        raise BagError("no topic of the bag can be published here; there is nothing to play")
    return publishers


def _qos(topic: Topic) -> QoSProfile:
    """The strongest offer among the recorded publishers, which every subscriber they had accepts.

    A latched topic keeps all its messages: the publishers that kept one each are one here.
    """
    if topic.qos:
        latched = any(q.durability is QosDurability.TRANSIENT_LOCAL for q in topic.qos)
        lossy = all(q.reliability is QosReliability.BEST_EFFORT for q in topic.qos)
    else:
        latched, lossy = topic.name.endswith("/tf_static"), False
    depth = max([10, *(q.depth for q in topic.qos), topic.count if latched else 0])
    return QoSProfile(
        depth=min(depth, 1000),
        reliability=ReliabilityPolicy.BEST_EFFORT if lossy else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _await_subscribers(publishers: Iterable[Publisher], seconds: float) -> bool:
    """Wait until subscribers have come and no more are coming; False if none came in time."""
    publishers = list(publishers)
    began = changed = time.monotonic()
    count = 0
    while (now := time.monotonic()) < began + seconds:
        new_count = sum(p.get_subscription_count() for p in publishers)
        if new_count != count:
            count, changed = new_count, now
        if count and now > changed + SETTLED:
            return True
        time.sleep(0.02)
    return count > 0


def _finish(publishers: Iterable[Publisher]) -> None:
    """Let the last messages arrive: publishers take what they still hold with them."""
    for publisher in publishers:
        publisher.wait_for_all_acked(Duration(seconds=1))
    time.sleep(LINGER)


@dataclass
class _Player:
    """Publishes messages when they are due, by a steady clock that does not drift."""

    publishers: dict[str, Publisher]
    first: int
    rate: float
    summary: Summary
    progress: Progress
    task: TaskID
    clock: Publisher | None = None
    next_tick: float = 0.0
    position: int = 0

    def play(self, messages: Iterable[Due]) -> None:
        began = time.monotonic()
        for due, message in messages:
            self._wait(began + due, message.stamp)
            lateness = max(0.0, time.monotonic() - began - due)
            self.publishers[message.topic].publish(message.data)
            self._count(message.topic, lateness)
        self._show()

    def _wait(self, due: float, stamp: int) -> None:
        """Sleep until ``due`` (steady clock, s), when the bag's time is ``stamp`` (ns)."""
        while True:
            now = time.monotonic()
            left = max(0.0, due - now)
            self.position = stamp - round(left * self.rate * 1e9)
            if now >= self.next_tick:
                self.next_tick = max(self.next_tick + CLOCK_PERIOD, now)
                self._tick()
            if not left:
                return
            time.sleep(min(left, max(0.0, self.next_tick - now)))

    def _tick(self) -> None:
        self._show()
        if self.clock is not None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(self.position, 10**9)
            self.clock.publish(message)

    def _show(self) -> None:
        self.summary.position = max(0.0, (self.position - self.first) / 1e9)
        total = self.summary.counts.total()
        elapsed = self.progress.tasks[0].elapsed or 1.0
        self.progress.update(
            self.task,
            completed=self.summary.position,
            messages=total,
            speed=total / elapsed,
        )

    def _count(self, topic: str, lateness: float) -> None:
        self.summary.counts[topic] += 1
        total = self.summary.counts.total()
        self.summary.mean_lateness += (lateness - self.summary.mean_lateness) / total
        self.summary.worst_lateness = max(self.summary.worst_lateness, lateness)


@contextmanager
def _progress(console: Console, length: float, rate: float) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        BarColumn(),
        TextColumn(f"{{task.completed:.1f}}/{length:.1f} s  x{rate:g}"),
        TextColumn("{task.fields[messages]} messages  {task.fields[speed]:.1f}/s"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task("", total=length, messages=0, speed=0.0)


def _print_summary(console: Console, summary: Summary, length: float) -> None:
    table = Table("topic", "messages", box=None)
    for topic, count in sorted(summary.counts.items()):
        table.add_row(topic, str(count))
    console.print(table)
    if summary.interrupted:
        console.print(f"Stopped at {summary.position:.1f} s of {length:.1f} s.")
    console.print(
        f"Messages left {1e3 * summary.mean_lateness:.1f} ms late on average, "
        f"{1e3 * summary.worst_lateness:.1f} ms at worst."
    )
