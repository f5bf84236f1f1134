# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node in a process of its own, everything it talks to, and hands to hurt it with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from faults.bad_weights import bad_weights
from faults.ledger import Ledger
from helpers.robot import BASE_STAMP, OPEN, Tester, image_message, wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.parameters import PARAMETERS
from geloc3r_ros.nodes.processes import executable, ros_arguments

__all__ = ["CALM", "PAIR", "PERIOD", "SIZE", "TO_STATE", "WAY_BACK", "K", "Rig", "Start"]

PERIOD = 10**8
SIZE = WIDTH, HEIGHT = 160, 120
K = np.array([[150.0, 0, 79.5], [0, 150, 59.5], [0, 0, 1]])
CALM: dict[str, Any] = {
    **OPEN,
    "device": "cpu",
    "precision": "fp32",
    "watchdog.timeout": 0.5,
    "diagnostics.period": 0.05,
    "qos_overrides./strict/left/image.subscription.reliability": "reliable",
}
TO_STATE = {
    "unconfigured": (),
    "inactive": ("CONFIGURE",),
    "active": ("CONFIGURE", "ACTIVATE"),
    "finalized": ("CONFIGURE", "ACTIVATE", "ACTIVE_SHUTDOWN"),
}
WAY_BACK = {"active": ("DEACTIVATE", "CLEANUP"), "inactive": ("CLEANUP",), "unconfigured": ()}
START_SECONDS = 120.0


def _pair() -> tuple[Any, Any]:
    """Two views of one smooth random texture, the second moved by 8 pixels."""
    coarse = np.random.default_rng(5).integers(0, 256, (16, 22, 3), np.uint8)
    texture = cv2.resize(coarse, (176, 128), interpolation=cv2.INTER_CUBIC)
    return tuple(np.ascontiguousarray(texture[:HEIGHT, x : x + WIDTH]) for x in (0, 8))


PAIR = _pair()


@dataclass(frozen=True)
class Start:
    """How a process is started: what differs from the ordinary.

    Attributes:
        program: what to run, by default the node's executable.
        parameters: given at the start, besides those of ``CALM``.
        arguments: further ones, after ``--ros-args``.
        environment: variables to add.
        output: where stdout and stderr go, by default a log.
    """

    program: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None


class Rig(Tester):
    """A tester beside a node's process; both cameras are in the tester.

    Args:
        folder: where the logs of the process go.
        thorough: whether storms last as long as they should, or as a test may take.
    """

    def __init__(self, folder: Path, *, thorough: bool = False) -> None:
        super().__init__()
        self.folder, self.thorough = folder, thorough
        self.weights = bad_weights(folder)
        self.ledger = Ledger(SIZE)
        self.listen_to_poses()
        self.tester.create_subscription(
            RelativePose, "/geloc3r/right/relative_pose", self.ledger.take, 100
        )
        self.stamp = BASE_STAMP
        self.other: Any = None
        self.process: subprocess.Popen[bytes] | None = None
        self._start = Start()
        self.require(Start())

    @property
    def backend_fault(self) -> Path:
        """The file that says how the backend of ``faulty_node.py`` is to fail."""
        return self.folder / "backend_fault"

    def require(self, start: Start) -> bool:
        """Have a process that was started in this way; return whether it is a new one."""
        if self.alive and start == self._start:
            return False
        if self.alive:
            self.end(signal.SIGKILL)
        for client in self._clients.values():
            self.tester.destroy_client(client)
        self._clients.clear()
        for messages in self.received.values():
            messages.clear()
        self._start, self._now_set = start, {**CALM, **start.parameters}
        self.log_path = self.folder / f"node_{time.monotonic_ns()}.log"
        self._log_mark = 0
        self.backend_fault.write_text("")
        program = start.program or executable("geloc3r_node")
        command = [sys.executable, str(program), *ros_arguments(self._now_set), *start.arguments]
        with (start.output or self.log_path).open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "GELOC3R_BACKEND_FAULT": str(self.backend_fault),
                    **start.environment,
                },
            )
        self.log_path.touch()
        return True

    def restart(self, start: Start) -> None:
        """Have a new process, and wait for its first poses."""
        if self.alive:
            self.end(signal.SIGKILL)
        self.require(start)
        self.become("active")
        self.recover()

    def close(self) -> None:
        """End the process, whatever state it is in, and leave the graph."""
        if self.alive:
            self.end(signal.SIGKILL)
        super().close()

    def end(self, *numbers: int, seconds: float = 120.0) -> int:
        """Send signals and return the exit code."""
        for number in numbers:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process is not None and self.process.poll() is None

    def usage(self) -> dict[str, float]:
        """Memory (MiB), threads and file descriptors of the process."""
        process = psutil.Process(self.process.pid)
        with process.oneshot():
            return {
                "memory": process.memory_full_info().uss / 2**20,
                "threads": process.num_threads(),
                "descriptors": process.num_fds(),
            }

    def change(self, transition: str | int) -> bool:
        """Ask for a transition, by its name or its number."""
        if isinstance(transition, str):
            transition = int(getattr(Transition, f"TRANSITION_{transition}"))
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, "/geloc3r/change_state", request).success

    def ask_for(self, transition: str) -> Any:
        """Ask for a transition; return the future of the answer."""
        number = getattr(Transition, f"TRANSITION_{transition}")
        request = ChangeState.Request(transition=Transition(id=number))
        return self.client(ChangeState, "/geloc3r/change_state").call_async(request)

    def state(self) -> str:
        """The lifecycle state, by the node's service."""
        return self.call(GetState, "/geloc3r/get_state", GetState.Request()).current_state.label

    def _is_heard(self) -> bool:
        """Whether the node's answers arrive; the first of a new process may be lost."""
        future = self.client(GetState, "/geloc3r/get_state").call_async(GetState.Request())
        return wait_until(future.done, 2.0)

    def set(self, **parameters: Any) -> list[str]:
        """Set parameters, ``__`` for a dot; return why each was refused, "" where it was not."""
        named = {name.replace("__", "."): value for name, value in parameters.items()}
        request = SetParameters.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in named.items()]
        )
        results = self.call(SetParameters, "/geloc3r/set_parameters", request).results
        return [result.reason if not result.successful else "" for result in results]

    def become(self, state: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Lead the node to a state, with these parameters and all others as they were given."""
        assert wait_until(self._is_heard, START_SECONDS), f"the node is not heard\n{self.log()}"
        wanted = {**CALM, **self._start.parameters, **(parameters or {})}
        now = self.state()
        changed = {
            name: wanted.get(name, PARAMETERS[name].default if name in PARAMETERS else False)
            for name in {*wanted, *self._now_set}
            if wanted.get(name) != self._now_set.get(name)
        }
        if changed or state != now:
            self._walk(WAY_BACK[now])
            now = "unconfigured"
        if changed:
            refusals = self.set(**{name.replace(".", "__"): v for name, v in changed.items()})
            assert not any(refusals), refusals
            self._now_set = wanted
        if state != now:
            self.ledger.intrinsics(None)
            self._walk(TO_STATE[state])

    def _walk(self, transitions: Sequence[str]) -> None:
        for transition in transitions:
            assert self.change(transition), f"{transition} failed: {self.log()[-2000:]}"

    def mark(self) -> None:
        """Begin to observe: what was said and counted so far is past."""
        for messages in self.received.values():
            messages.clear()
        # The counters of the second status from now are younger than now.
        wait_until(lambda: len(self.statuses()) > 1, START_SECONDS)
        statuses = self.statuses()
        self._past = {v.key: v.value for v in statuses[-1].values} if statuses else {}
        self._log_mark = self.log_path.stat().st_size
        self._poses_mark = self.ledger.right

    def statuses(self) -> list[Any]:
        """What the status was since the mark, the latest last."""
        return self.received["/geloc3r/status"]

    def log(self) -> str:
        """What the process wrote since the mark."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_mark)
            return log.read().decode(errors="replace")

    def counted(self, key: str) -> int:
        """How much a counter of the status has risen since the mark."""
        return int(self.value(key) or 0) - int(self._past.get(key) or 0)

    def answered(self) -> int:
        """Right poses since the mark."""
        return self.ledger.right - self._poses_mark

    def next_stamp(self) -> int:
        """The stamp of the next set."""
        self.stamp += PERIOD
        return self.stamp

    def message(self, camera: str, **fields: Any) -> Any:
        """A healthy image of the present stamp, with other values in some of its fields."""
        rgb = PAIR[camera == "right"]
        message = image_message(rgb, camera, self.stamp)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def send_pair(self, images: Sequence[Any] = PAIR, **options: Any) -> int:
        """Send a set that is to be answered with its pose; return its stamp."""
        stamp = self.next_stamp()
        self.ledger.expect(stamp, tuple(images))
        self.send(images, stamp, **options)
        return stamp

    def await_answer(self, stamp: int) -> None:
        """Wait for the right pose of a set.

        Raises:
            AssertionError: if it does not come in time.
        """
        answered = wait_until(lambda: stamp in self.ledger.answered, START_SECONDS)
        assert answered, f"no pose; it says {self.says()}; wrong are {self.ledger.wrong}"

    def ask(self, images: Sequence[Any] = PAIR) -> int:
        """Send a set until it is answered, as one may get lost; return its stamp.

        Raises:
            AssertionError: if none is.
        """
        stamp = self.send_pair(images)
        for _ in range(10):
            if wait_until(lambda: stamp in self.ledger.answered, 2.0):  # noqa: B023
                return stamp
            stamp = self.send_pair(images)
        self.await_answer(stamp)
        return stamp

    def send_until(self, condition: Callable[[], Any]) -> None:
        """Send sets, ten a second, until the condition holds."""
        for _ in range(200):
            self.send_pair()
            if wait_until(condition, 0.1):
                return

    def remove_publisher(self, topic: str) -> None:
        """Let a camera leave; the next message on the topic brings it back."""
        if topic in self._publishers:
            self.tester.destroy_publisher(self._publishers.pop(topic))

    def publish_bytes(self, topic: str, data: bytes) -> None:
        """Publish a message as it is on the wire."""
        self._publishers[topic].publish(data)

    def send_intrinsics(self, K_left: Any = K, K_right: Any = K, **fields: Any) -> None:
        """Send a healthy camera_info of both cameras."""
        for camera, matrix in (("left", K_left), ("right", K_right)):
            self.send_camera_info(camera, matrix, SIZE, **fields)
        self.ledger.intrinsics(np.array([K_left, K_right]))

    def recover(self, seconds: float = 60.0, count: int = 2) -> float:
        """Send sets, ten a second, until some are answered; return how long that took.

        Raises:
            AssertionError: if the node died or gives no pose in time.
        """
        began = time.monotonic()
        sent: set[int] = set()
        while len(sent & self.ledger.answered) < count:
            assert self.alive, f"the node ended with {self.process.returncode}:\n{self.log()}"
            waited = time.monotonic() - began
            assert waited < seconds, f"no pose after {waited:.1f} s, it says: {self.says()}"
            sent.add(self.send_pair())
            wait_until(lambda: len(sent & self.ledger.answered) >= count, 0.1)
        return time.monotonic() - began
