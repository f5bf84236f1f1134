# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process beside this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_prefix

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.nodes import transport

__all__ = ["executable", "node_process", "own_domain", "ros_arguments"]

END_TIMEOUT = 15.0  # seconds for the node to end after SIGINT


@contextmanager
def own_domain() -> Iterator[None]:
    """Keep to this machine, in a ROS domain that others do not use unless the user named one."""
    previous = dict(os.environ)
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.update(transport.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(previous)


@contextmanager
def node_process(settings: Mapping[str, Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The node in a process of its own, which has ended afterwards whatever happens.

    Raises:
        GeLoc3rError: if its exit code is not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, executable("geloc3r_node"), *ros_arguments(settings)],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
            process.send_signal(signal.SIGINT)
            code = process.wait(END_TIMEOUT)
        except Exception as error:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise GeLoc3rError(f"{error}\nThe end of the node's log, {log}:\n{tail}") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        raise GeLoc3rError(f"the node ended with exit code {code}; its log is {log}")


def executable(name: str) -> str:
    """Path of an executable that is installed with the package."""
    return str(Path(get_package_prefix("geloc3r_ros")) / "lib" / "geloc3r_ros" / name)


def ros_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Arguments that give a node's process these parameters."""
    arguments = ["--ros-args"]
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ["-p", f"{name}:={text}"]
    return arguments
