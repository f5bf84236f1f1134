# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node at work on two scenes, held against their truth; the body of ``geloc3r demo``.

The node, the replay and this listener are three processes that talk over real DDS.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console

from geloc3r_ros.demo.pictures import draw
from geloc3r_ros.demo.report import LINE_HEADER, Estimate, Report, summary_table
from geloc3r_ros.demo.scenes import Scene, scenes
from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.evaluation.messages import stamp_of, transform_of
from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.processes import executable, node_process, own_domain

__all__ = ["play", "play_whole", "run"]

START_TIMEOUT = 60.0  # seconds for the node's process to offer its services
TRANSITION_TIMEOUT = 60.0  # configure loads the weights and warms up
LAST_SET_TIMEOUT = 5.0  # seconds for the last sets after the bag has ended
RATES = 1.0, 0.5, 0.25, 0.125  # of the scenes' own speed, until all sets are judged

# The gates are open, so that every set is judged; untrained weights are, too, and are named.
PARAMETERS = {
    "gate.max_cycle_rotation": 3.14,
    "gate.max_cycle_translation": 3.14,
    "publish_untrained": True,
    "rectify": True,
}


def run(output: Path, weights: str = "tiny", console: Console | None = None) -> None:
    """Play the scenes through the node; print and write how its estimates compare to the truth.

    Writes, in a folder a scene below ``output``: the poses and the truth (TUM), ``result.json``,
    pictures, and the node's log.

    Raises:
        GeLoc3rError: if the node does not work, or sets got lost.
    """
    console = console or Console()
    reports = []
    with own_domain():
        for scene in scenes(output):
            folder = output / scene.name
            report = play_whole(scene, folder, console, {**PARAMETERS, "weights": weights})
            report.write(folder)
            draw(scene, report, folder)
            reports.append(report)
    console.print(summary_table(reports))
    console.print(f"Poses, truth and pictures are in {output}/", soft_wrap=True)
    if lost := [f"{r.dropped} of {len(r.truth)} in {r.name}" for r in reports if r.dropped]:
        raise GeLoc3rError(
            f"sets got lost: {', '.join(lost)}; the node's status above says where. "
            "Is the machine busy with something else?"
        )


def play_whole(
    scene: Scene, folder: Path, console: Console, settings: Mapping[str, Any]
) -> Report:
    """Play a scene; where this machine does not keep up with it, once more and slower.

    Raises:
        GeLoc3rError: if the node fails.
    """
    for rate in RATES:
        report = play(scene, folder, console, settings, rate)
        if not report.dropped or rate == RATES[-1]:
            break
        console.print(
            f"{report.dropped} of {len(report.truth)} sets got lost: the node does not keep up "
            "here. Once more at half the speed.",
            soft_wrap=True,
        )
    return report


def play(
    scene: Scene,
    folder: Path,
    console: Console,
    settings: Mapping[str, Any],
    rate: float = 1.0,
) -> Report:
    """Take a node with these parameters through its life, and play it a scene.

    Raises:
        GeLoc3rError: if the node fails.
    """
    report = Report(scene.name, scene.truth())
    console.print(f"\n{scene.name}: {len(report.truth)} sets, {scene.bag}", soft_wrap=True)
    settings = {**settings, "image_transport": scene.image_transport}
    with node_process(settings, folder / "node.log") as process:
        listener = _Listener(process, report, console)
        try:
            listener.attend(scene, rate)
        finally:
            listener.close()
    return report


class _Listener:
    """Leads the node through its life, has the bag played, and takes down what the node says."""

    def __init__(self, process: subprocess.Popen[bytes], report: Report, console: Console) -> None:
        self._process = process
        self._report = report
        self._console = console
        self._status = ""
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = node = Node("geloc3r_demo", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._change_state: Any = node.create_client(ChangeState, "/geloc3r/change_state")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(
            RelativePose, "/geloc3r/right/relative_pose", self._on_relative_pose, 100
        )
        node.create_subscription(DiagnosticStatus, "/geloc3r/status", self._on_status, latched)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def attend(self, scene: Scene, rate: float) -> None:
        """Configure, activate, play, deactivate, clean up, shut down.

        Raises:
            GeLoc3rError: if the node refuses a transition, or a process ends or keeps silent.
        """
        for name in ("configure", "activate"):
            self._transition(name)
        self._console.print(LINE_HEADER, highlight=False, soft_wrap=True)
        status = self._play(scene, rate)
        if self._report.dropped:
            self._console.print(f"Status of the node: {status or 'none was received'}")
        for name in ("deactivate", "cleanup", "unconfigured_shutdown"):
            self._transition(name)

    def _transition(self, name: str) -> None:
        self._spin_until(self._change_state.service_is_ready, START_TIMEOUT, "its services")
        request = ChangeState.Request()
        request.transition.id = getattr(Transition, f"TRANSITION_{name.upper()}")
        future: Any = self._change_state.call_async(request)
        self._spin_until(future.done, TRANSITION_TIMEOUT, f"an answer to {name}")
        if not future.result().success:
            raise GeLoc3rError(f"the node could not {name.removeprefix('unconfigured_')}")

    def _play(self, scene: Scene, rate: float) -> str:
        """Replay the bag from another process until the last set has come, or no more will.

        Returns:
            What the node's status was when the bag ended; soon after it misses the cameras.
        """
        command = [executable("geloc3r"), "replay", str(scene.bag), "--wait", "20"]
        replay = subprocess.Popen(
            [sys.executable, *command, "--rate", f"{rate:g}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._spin_until(lambda: replay.poll() is not None, 300.0, "the end of the bag")
        finally:
            replay.kill()
            said = replay.communicate()[1]
        if replay.returncode:
            raise GeLoc3rError(f"the replay of {scene.bag} failed: {said}")
        status = self._status
        until = time.monotonic() + LAST_SET_TIMEOUT
        while self._report.dropped and time.monotonic() < until:
            self._executor.spin_once(timeout_sec=0.1)
        return status

    def _spin_until(self, condition: Callable[[], bool], seconds: float, awaited: str) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if self._process.poll() is not None:
                raise GeLoc3rError(f"the node ended with exit code {self._process.returncode}")
            if time.monotonic() > until:
                raise GeLoc3rError(f"waited {seconds:g} s for {awaited} in vain")
            self._executor.spin_once(timeout_sec=0.1)

    def _on_relative_pose(self, message: RelativePose) -> None:
        estimate = Estimate(
            T_a_b=transform_of(message.pose.pose),
            valid=message.valid,
            reason=message.reason,
            trained=message.trained,
            cycle_rotation_error=message.cycle_rotation_error,
            cycle_translation_error=message.cycle_translation_error,
            latency=message.latency,
        )
        result = self._report.add(stamp_of(message), estimate)
        if result is not None:
            line = result.line(len(self._report.results))
            self._console.print(line, highlight=False, soft_wrap=True)

    def _on_status(self, message: DiagnosticStatus) -> None:
        self._status = message.message
