# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that were cut off: what is whole in them is read."""

from __future__ import annotations

from pathlib import Path
from struct import pack, unpack, unpack_from
from typing import BinaryIO

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation.bags import BagReader

__all__ = ["open_bag", "recover_mcap"]

MAGIC = b"\x89MCAP0\r\n"
HEAD = 9
"""Bytes before the content of a record: its kind, and the length of the content."""
DATA_END, FOOTER, CHUNK = 0x0F, 0x02, 0x06
COMPRESSION = 28
"""Bytes in a chunk before the name of its compression: two stamps, a size, a checksum."""
MOST_OF_A_CHUNK = 64 << 20
"""Bytes of the last, torn chunk that are looked at."""


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
    try:
        bag = BagReader(path)
        if len(files) != 1 or path.is_file() or not (trouble := _contradiction(bag, files[0])):
            return bag, ""
    except BagError as error:
        if len(files) != 1:
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

    Of a last chunk that is torn, the whole records within are copied too, unless it is compressed.

    Source: the MCAP specification, sections "File Structure" and "Chunk".

    Raises:
        BagError: if the file is no mcap, or not one record of it is whole.
    """
    with damaged.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            raise BagError(f"{damaged} is not an mcap file: its first bytes are not those of one")
        end = _end_of_records(source, damaged.stat().st_size)
        source.seek(end)
        rest = _whole_records(source.read(MOST_OF_A_CHUNK))
        if end == len(MAGIC):
            raise BagError(f"{damaged} is cut off before its first whole record: nothing to read")
        source.seek(0)
        whole.parent.mkdir(parents=True, exist_ok=True)
        with whole.open("wb") as target:
            left = end
            while left and (piece := source.read(min(left, 1 << 20))):
                target.write(piece)
                left -= len(piece)
            target.write(rest)
            target.write(pack("<BQI", DATA_END, 4, 0) + pack("<BQQQI", FOOTER, 20, 0, 0, 0))
            target.write(MAGIC)


def _end_of_records(file: BinaryIO, size: int) -> int:
    """Where the last whole record before the end of the data ends."""
    end = file.tell()
    while len(head := file.read(HEAD)) == HEAD:
        kind, length = unpack("<BQ", head)
        if kind in (DATA_END, FOOTER) or end + HEAD + length > size:
            break
        end += HEAD + length
        file.seek(end)
    return end


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
