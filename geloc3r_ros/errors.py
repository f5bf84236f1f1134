# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The errors a user can cause. Each message gives the value, the limit and the fix."""

__all__ = ["BagError", "ConfigError", "DeviceError", "GeLoc3rError", "ImageError", "WeightsError"]

LONGEST = 3000  # characters of a message


class GeLoc3rError(Exception):
    """Base of every error that a user can cause; the commands print it without a traceback.

    A message may quote what a file or a driver says. It is safe to print nevertheless: what is no
    printable character is escaped, and of a long message the middle is left out.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


class BagError(GeLoc3rError):
    """A recording, bag or trajectory file, is missing, damaged or empty."""


class ConfigError(GeLoc3rError):
    """A setting has an unknown name, a wrong type or a value out of range."""


class DeviceError(GeLoc3rError):
    """The compute device that was asked for does not exist or is out of memory."""


class ImageError(GeLoc3rError):
    """An image cannot be used: unreadable, empty, of a wrong type or size."""


class WeightsError(GeLoc3rError):
    """A weights file is missing, damaged, or of another network."""
