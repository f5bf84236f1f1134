# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes topics into a bag, for machines without rosbag2; the body of ``geloc3r record``."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rich.console import Console
from rich.table import Table
from rosbags.interfaces import Qos, QosReliability

from geloc3r_ros.errors import BagError, ConfigError
from geloc3r_ros.evaluation.bags import LATCHED, RELIABLE, BagWriter
from geloc3r_ros.evaluation.messages import STANDARD_TYPES
from geloc3r_ros.nodes.bare_node import bare_node, message_type

__all__ = ["record"]

LOOK_PERIOD = 0.1  # seconds between two looks for publishers that have come
USUAL = ("geometry_msgs/msg/PoseStamped", "nav_msgs/msg/Odometry", "sensor_msgs/msg/Image")
"""Of each package from which most messages are."""
QUEUE = 100
"""Messages of a topic that may wait to be written."""
FLUSH_PERIOD = 1.0
"""Seconds after which what came is on the disk."""
ENDINGS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def record(
    path: Path,
    topics: Sequence[str],
    *,
    duration: float | None = None,
    console: Console | None = None,
) -> Counter[str]:
    """Write what is published on some topics until Ctrl-C or the end of the duration.

    SIGTERM and a terminal that goes away end it in order too. Topics are waited for. Each message
    is written as it came, with the time at which it came; memory does not grow. Of a bag that was
    not ended in order ``geloc3r eval bag`` reads all but the last second.

    Args:
        path: the folder to create.
        topics: their names.
        duration: seconds; without end where None.
        console: where the summary is shown; stderr by default.

    Returns:
        Messages by topic.

    Raises:
        BagError: if the folder exists, cannot be written, nothing came, or no topic is of a type
            that can be recorded.
        ConfigError: if the duration is not positive.
    """
    if duration is not None and not duration > 0:
        raise ConfigError(f"duration is {duration} s; it must be more than 0")
    console = console or Console(stderr=True)
    names = ["/" + topic.lstrip("/") for topic in topics]
    until = float("inf") if duration is None else time.monotonic() + duration
    for name in USUAL:  # loaded from the disk when first asked for: now, not during a replay
        message_type(name)
    with (
        bare_node("geloc3r_record") as node,
        _told_to_end() as ended,
        _explained(path),
        BagWriter(path) as bag,
    ):
        recorder = _Recorder(node, bag, names, console)
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        while not ended.is_set() and recorder.look() and (left := until - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=min(LOOK_PERIOD, left))
            recorder.flush()
        executor.shutdown()
    counts = recorder.counts
    if not counts.total():
        shutil.rmtree(path)
        raise BagError(f"nothing came on {', '.join(names)}; see `ros2 topic list`, ROS_DOMAIN_ID")
    table = Table("topic", "messages", box=None)
    for name in names:
        table.add_row(name, str(counts[name]))
    console.print(table)
    return counts


@contextmanager
def _told_to_end() -> Iterator[Event]:
    """What a signal sets in place of an exception: a second one cannot break the end either."""
    ended = Event()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
    heard = set(ENDINGS) - ({signal.SIGHUP} if ignored else set())
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in heard}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say of a disk that is full, or is gone, what becomes of the bag."""
    try:
        yield
    except OSError as error:
        kept = "; `geloc3r eval bag` reads what is in it" if path.exists() else ""
        raise BagError(f"{path} cannot be written: {error}{kept}") from error


class _Recorder:
    """Subscribes to topics as their publishers come, with what these offer."""

    def __init__(
        self, node: Node, bag: BagWriter, topics: Sequence[str], console: Console
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._node, self._bag, self._console = node, bag, console
        self._awaited = list(dict.fromkeys(topics))
        self._next_look = self._next_flush = 0.0
        self._listens = False

    def flush(self) -> None:
        """Put what came on the disk, once in a while."""
        if time.monotonic() >= self._next_flush:
            self._next_flush = time.monotonic() + FLUSH_PERIOD
            self._bag.flush()

    def look(self) -> bool:
        """Subscribe to what has come since the last look; tell of what cannot be recorded.

        Returns:
            Whether anything may still come: not if no topic is of a type that can be recorded.
        """
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_PERIOD
            for topic in list(self._awaited):
                if publishers := self._node.get_publishers_info_by_topic(topic):
                    self._awaited.remove(topic)
                    self._listen(topic, publishers)
        return self._listens or bool(self._awaited)

    def _listen(self, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        try:
            self._subscribe(topic, publishers)
            self._listens = True
        except BagError as error:
            self._console.print(f"Not recorded: {error}", highlight=False)

    def _subscribe(self, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        name = publishers[0].topic_type
        kind = message_type(name)
        if kind is None:
            raise BagError(f"{topic}: {name} is not installed here")
        latched = all(
            p.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in publishers
        )
        reliable = all(p.qos_profile.reliability is ReliabilityPolicy.RELIABLE for p in publishers)
        self._bag.add_topic(topic, name, _recorded_qos(latched, reliable), _definition(name))
        qos = QoSProfile(
            depth=QUEUE,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._node.create_subscription(kind, topic, partial(self._write, topic), qos, raw=True)
        self._console.print(f"Recording {topic} ({name})", highlight=False)

    def _write(self, topic: str, data: bytes) -> None:
        self.counts[topic] += 1
        self._bag.write_serialized(topic, time.time_ns(), data)


def _recorded_qos(latched: bool, reliable: bool) -> Qos:
    qos = LATCHED if latched else RELIABLE
    return qos if reliable else qos._replace(reliability=QosReliability.BEST_EFFORT)


def _definition(name: str) -> str:
    """The .msg file of a type that does not come with ROS 2.

    Raises:
        BagError: if it is not installed.
    """
    if name in STANDARD_TYPES.fielddefs:
        return ""
    package, _, base = name.partition("/msg/")
    try:
        file = Path(get_package_share_directory(package)) / "msg" / f"{base}.msg"
        return file.read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError) as error:
        raise BagError(f"the definition of {name} is not installed: {error}") from error
