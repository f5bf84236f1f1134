# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a transform cannot be given."""

__all__ = [
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "TimeoutException",
    "TransformException",
]


class TransformException(Exception):  # noqa: N818
    """Base of all of them."""


class ConnectivityException(TransformException):
    """The frames belong to different trees."""


class LookupException(TransformException):
    """A frame has never been seen, or the tree has a loop."""


class ExtrapolationException(TransformException):
    """The time asked for lies outside the transforms stored."""


class InvalidArgumentException(TransformException):
    """A frame id is empty or starts with a slash."""


class TimeoutException(TransformException):
    """Kept for code that catches it: a lookup that runs out of time raises why it failed."""
