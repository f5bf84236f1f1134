# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 2 (rosbag2, mcap or sqlite3), read and written without ROS.

Stamps are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation.messages import STANDARD_TYPES

__all__ = [
    "LATCHED",
    "RELIABLE",
    "BagReader",
    "BagWriter",
    "DamagedMessageError",
    "RawMessage",
    "Topic",
]

FOREVER = QosTime(9223372036, 854775807)


def _qos(durability: QosDurability) -> Qos:
    """Reliable, the last ten, no deadline."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=10,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=FOREVER,
        lifespan=FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=FOREVER,
        avoid_ros_namespace_conventions=False,
    )


RELIABLE = _qos(QosDurability.VOLATILE)
LATCHED = _qos(QosDurability.TRANSIENT_LOCAL)


class DamagedMessageError(BagError):
    """The data of one message do not fit its type; others may."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its name, message type, number of messages, and QoS of its publishers."""

    name: str
    type: str
    count: int
    qos: Sequence[Qos]


class RawMessage(NamedTuple):
    """A message as it is stored: when it was recorded (ns), and serialized as CDR."""

    topic: str
    type: str
    stamp: int
    data: bytes


def _types_of(connections: Collection[Connection]) -> Typestore:
    """The standard types, and those that the bag defines besides."""
    more = {
        name: fields
        for connection in connections
        if connection.msgtype not in STANDARD_TYPES.fielddefs
        and connection.msgdef.format is MessageDefinitionFormat.MSG
        for name, fields in get_types_from_msg(connection.msgdef.data, connection.msgtype).items()
        if name not in STANDARD_TYPES.fielddefs
    }
    if not more:
        return STANDARD_TYPES
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(more)
    return types


class BagReader:
    """A bag that is open for reading; a context manager.

    Args:
        path: the folder with metadata.yaml, or a single .mcap or .db3 file.

    Attributes:
        damaged: by topic, the messages that :meth:`objects` left out: stamp, and what is wrong.

    Raises:
        BagError: if there is no bag at ``path``, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: dict[str, dict[int, str]] = {}
        if not path.exists():
            raise BagError(f"no bag at {path}: the path does not exist")
        if path.suffix == ".bag":
            raise BagError(
                f"{path} is a ROS 1 bag; convert it first: rosbags-convert --src {path}"
            )
        with self._explained():
            self._reader = Reader(path)
            self._reader.open()
            self._connections = [c for c in self._reader.connections if c.msgcount]
            self._types = _types_of(self._connections)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn whatever a damaged file makes the parsers raise into one error."""
        try:
            yield
        except FileNotFoundError as error:
            raise BagError(
                f"{self.path} is not a bag: a bag is a folder with metadata.yaml "
                "(or a single .mcap or .db3 file)"
            ) from error
        except Exception as error:
            raise BagError(
                f"cannot read the bag {self.path}: {error or type(error).__name__}. It is damaged "
                "or its recording was cut off; try: ros2 bag reindex, or: mcap recover"
            ) from error

    @property
    def topics(self) -> dict[str, Topic]:
        """Topics by name, also those without a message."""
        topics: dict[str, Topic] = {}
        for connection in self._reader.connections:
            extension = connection.ext
            assert isinstance(extension, ConnectionExtRosbag2)
            known = topics.get(connection.topic)
            topics[connection.topic] = Topic(
                connection.topic,
                connection.msgtype,
                connection.msgcount + (known.count if known else 0),
                [*(known.qos if known else []), *extension.offered_qos_profiles],
            )
        return topics

    @property
    def start(self) -> int:
        """Stamp of the first message."""
        return self._reader.start_time

    @property
    def end(self) -> int:
        """Stamp of the last message."""
        return self._reader.end_time - 1

    def messages(
        self,
        topics: Collection[str] = (),
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[RawMessage]:
        """Yield messages in the order of their stamps, holding a few megabytes at a time.

        Args:
            topics: only of these topics; of all where empty.
            start: only at or after this stamp.
            stop: only before this stamp.

        Raises:
            BagError: if a topic has no message in the bag, or the bag is damaged.
        """
        connections = self._selected(topics)
        with self._explained():
            for connection, stamp, data in self._reader.messages(connections, start, stop):
                yield RawMessage(connection.topic, connection.msgtype, stamp, bytes(data))

    def objects(self, topics: Collection[str] = ()) -> Iterator[tuple[RawMessage, Any]]:
        """Yield messages with their objects; damaged ones go into ``damaged`` instead.

        Raises:
            BagError: as :meth:`messages`, or if a type is unknown.
        """
        for raw in self.messages(topics):
            try:
                message = self.deserialize(raw)
            except DamagedMessageError as error:
                fault = str(error).removeprefix(f"{raw.topic}: ")
                self.damaged.setdefault(raw.topic, {})[raw.stamp] = fault
            else:
                yield raw, message

    def deserialize(self, message: RawMessage) -> Any:
        """Return the message object, its fields as in the .msg file.

        Raises:
            DamagedMessageError: if the data do not fit the type.
            BagError: if the type neither comes with ROS 2 nor is defined in the bag.
        """
        if message.type not in self._types.fielddefs:
            raise BagError(
                f"{message.topic}: {message.type} is not a message type of ROS 2 itself, and the "
                "bag does not define it; record with --storage mcap"
            )
        try:
            return self._types.deserialize_cdr(message.data, message.type)
        except Exception as error:  # whatever damaged data make the generated parsers raise
            said = str(error) or type(error).__name__
            raise DamagedMessageError(f"{message.topic}: {said}") from error

    def _selected(self, topics: Collection[str]) -> list[Connection]:
        names = sorted({c.topic for c in self._connections})
        if not names:
            raise BagError(f"the bag {self.path} has no messages")
        if unknown := sorted(set(topics) - set(names)):
            raise BagError(
                f"the bag {self.path} has no messages on {', '.join(unknown)}; "
                f"it has some on {', '.join(names)}"
            )
        return [c for c in self._connections if not topics or c.topic in topics]


class BagWriter:
    """A new bag, complete once its context has ended without an exception.

    Args:
        path: the folder to create.
        storage: ``mcap`` or ``sqlite3``.
        compressed: zstd inside the file; mcap only.

    Raises:
        BagError: if ``path`` exists already, or the storage is unknown.
    """

    def __init__(self, path: Path, storage: str = "mcap", compressed: bool = False) -> None:
        if path.exists():
            raise BagError(f"{path} exists already; remove it or name another folder")
        if storage.upper() not in StoragePlugin.__members__ or (compressed and storage != "mcap"):
            raise BagError(f"storage {storage!r} is not mcap (compressed or not) or sqlite3")
        self._writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
        if compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)

    def add_topic(
        self, topic: str, type_name: str, qos: Qos = RELIABLE, definition: str = ""
    ) -> None:
        """Declare a topic.

        Args:
            topic: its name.
            type_name: such as ``sensor_msgs/msg/Image``.
            qos: of its publishers.
            definition: the .msg file of a type that is not standard; its fields must be.

        Raises:
            BagError: if they are not.
        """
        types = STANDARD_TYPES
        if definition:
            types = get_typestore(Stores.ROS2_JAZZY)
            types.register(get_types_from_msg(definition, type_name))
        try:
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=types, offered_qos_profiles=[qos]
            )
        except TypesysError as error:
            raise BagError(
                f"{topic}: {type_name} is made of types that do not come with ROS 2 ({error}); "
                "record it with ros2 bag record --storage mcap"
            ) from error

    def write(self, topic: str, stamp: int, message: object) -> None:
        """Append a message object (see ``messages``) to a declared topic."""
        data = STANDARD_TYPES.serialize_cdr(message, self._connections[topic].msgtype)
        self.write_serialized(topic, stamp, data)

    def flush(self) -> None:
        """Put on the disk what is not yet there, so that it is read even if this process dies.

        Of mcap; what sqlite3 holds back is lost then.
        """
        storage = self._writer.storage
        if isinstance(storage, McapWriter) and storage.chunk.msgs:
            storage.close_chunk()
            storage.bio.flush()

    def write_serialized(self, topic: str, stamp: int, data: bytes | memoryview) -> None:
        """Append a message, as CDR, to a declared topic."""
        self._writer.write(self._connections[topic], stamp, data)
