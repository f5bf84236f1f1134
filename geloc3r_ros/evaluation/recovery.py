# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that were cut off, or are damaged within: what is whole in them is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from struct import pack, unpack, unpack_from
from typing import BinaryIO, NamedTuple
from zlib import crc32

from lz4.frame import LZ4FrameDecompressor

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation.bags import BagReader

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

__all__ = ["open_bag", "recover_mcap"]

MAGIC = b"\x89MCAP0\r\n"
HEAD = 9
"""Bytes before the content of a record: its kind, and the length of the content."""
FOOTER, SCHEMA, CHANNEL, CHUNK, DATA_END = 0x02, 0x03, 0x04, 0x06, 0x0F
COMPRESSION = 28
"""Bytes in a chunk before the name of its compression: two stamps, a size, a checksum."""
DECOMPRESSORS = {b"lz4": LZ4FrameDecompressor, b"zstd": ZstdDecompressor}
MOST_OF_A_CHUNK = 64 << 20
"""Bytes of the last, torn chunk that are looked at."""


class _Record(NamedTuple):
    """What stands where in an mcap file."""

    kind: int
    start: int
    end: int


def open_bag(path: Path, scratch: Path) -> tuple[BagReader, str]:
    """Open a bag, by its single file where metadata.yaml does not help, whole or recovered.

    Args:
        path: as :class:`BagReader` takes it.
        scratch: the file to write a recovered copy to, where one is needed.

    Returns:
        The bag, and what is wrong with it, or "".

    Raises:
        BagError: if nothing of it can be read.
    """
    files = [f for f in path.glob("*.*") if f.suffix in (".mcap", ".db3")]
    if path.is_file():
        files = [path]
    if len(files) == 1 and files[0].suffix == ".mcap" and (lost := _damaged_chunks(files[0])):
        recover_mcap(files[0], scratch)
        return BagReader(scratch), lost
    try:
        bag = BagReader(path)
        if len(files) != 1 or path.is_file() or not (trouble := _contradiction(bag, files[0])):
            return bag, ""
    except BagError as error:
        if len(files) > 1:
            raise BagError(
                f"{error}. It has {len(files)} files; give them one by one, what is whole in each "
                f"is read: {', '.join(sorted(file.name for file in files))}"
            ) from error
        if not files:
            raise
        trouble = str(error)
    if path.is_dir():
        try:
            return BagReader(files[0]), trouble
        except BagError as error:
            trouble = str(error)
    if files[0].suffix != ".mcap":
        raise BagError(f"{trouble}; a .db3: sqlite3 OLD.db3 .recover | sqlite3 NEW.db3")
    recover_mcap(files[0], scratch)
    bag = BagReader(scratch)
    if not any(topic.count for topic in bag.topics.values()):
        raise BagError(f"{trouble}. Not one message of it is whole")
    return bag, trouble


def _contradiction(bag: BagReader, file: Path) -> str:
    """What metadata.yaml says otherwise than the bag's only file, or ""."""
    said = {name: topic.type for name, topic in bag.topics.items()}
    with BagReader(file) as alone:
        held = {name: topic.type for name, topic in alone.topics.items()}
    wrong = [name for name in said | held if said.get(name) != held.get(name)]
    if not held or not wrong:
        return ""
    return f"metadata.yaml of {bag.path} tells other topics than {file.name}: {', '.join(wrong)}"


def recover_mcap(damaged: Path, whole: Path) -> None:
    """Copy the leading whole records of an mcap file, and end the copy as the format wants it.

    Damaged chunks are left out; the topics that they define stand in the summary too. Of a last
    chunk that is torn, the whole records within are copied, unless it is compressed.

    Source: the MCAP specification, sections "File Structure" and "Chunk".

    Raises:
        BagError: if the file is no mcap, or not one record of it is whole.
    """
    with damaged.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            raise BagError(f"{damaged} is not an mcap file: its first bytes are not those of one")
        try:
            whole.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BagError(
                f"{damaged} is damaged, and a copy of what is whole cannot be written to "
                f"{whole.parent}: {error}; name another folder with --out"
            ) from error
        topics = _topics_of_summary(source)
        end = len(MAGIC)
        with whole.open("wb") as target:
            target.write(MAGIC)
            for record in _records(source):
                content = _content(source, record)
                if record.kind != CHUNK or _is_sound(content):
                    target.write(content)
                if end == len(MAGIC):
                    target.write(topics)  # after the header, which is first
                end = record.end
            if end == len(MAGIC):
                raise BagError(
                    f"{damaged} is cut off before its first whole record: nothing to read"
                )
            source.seek(end)
            target.write(_whole_records(source.read(MOST_OF_A_CHUNK)))
            target.write(pack("<BQI", DATA_END, 4, 0) + pack("<BQQQI", FOOTER, 20, 0, 0, 0))
            target.write(MAGIC)


def _damaged_chunks(path: Path) -> str:
    """What chunks of an mcap file are damaged, or ""."""
    count, damaged = 0, []
    with path.open("rb") as file:
        for record in _records(file):
            if record.kind == CHUNK:
                count += 1
                if not _is_sound(_content(file, record)):
                    damaged.append(record.start)
    if not damaged:
        return ""
    return (
        f"{len(damaged)} of {count} chunks of {path.name} are damaged and were left out; "
        f"the first begins at byte {damaged[0]}"
    )


def _is_sound(chunk: bytes) -> bool:
    """Whether the records of a chunk can be unpacked, and are those that were written."""
    try:
        size, checksum, letters = unpack_from("<QII", chunk, HEAD + 16)
        start = HEAD + COMPRESSION + 4 + letters
        compression, records = chunk[start - letters : start], chunk[start + 8 :]
        if compression:
            records = DECOMPRESSORS[compression]().decompress(records, size + 1)
    except Exception:  # whatever damaged data make the libraries raise
        return False
    return len(records) == size and (not checksum or crc32(records) == checksum)


def _records(file: BinaryIO, start: int = len(MAGIC)) -> Iterator[_Record]:
    """The whole records of an mcap file before the end of its data; none of another file."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return
    while start + HEAD <= size:
        file.seek(start)
        kind, length = unpack("<BQ", file.read(HEAD))
        end = start + HEAD + length
        if kind in (DATA_END, FOOTER) or end > size:
            break
        yield _Record(kind, start, end)
        start = end


def _topics_of_summary(file: BinaryIO) -> bytes:
    """The definitions of topics that are repeated after the end of the data, if there are any."""
    data_end = len(MAGIC)
    for record in _records(file):
        data_end = record.end
    summary = _records(file, data_end + HEAD + 4)
    return b"".join(_content(file, r) for r in summary if r.kind in (SCHEMA, CHANNEL))


def _content(file: BinaryIO, record: _Record) -> bytes:
    file.seek(record.start)
    return file.read(record.end - record.start)


def _whole_records(torn: bytes) -> bytes:
    """The whole records at the beginning of a torn chunk; none of another record."""
    start = HEAD + COMPRESSION
    if len(torn) < start + 4 or torn[0] != CHUNK or unpack_from("<I", torn, start) != (0,):
        return b""
    start += 4 + 8  # no compression, the length of the records
    end = start
    while end + HEAD <= len(torn):
        (length,) = unpack_from("<Q", torn, end + 1)
        if end + HEAD + length > len(torn):
            break
        end += HEAD + length
    return torn[start:end]
