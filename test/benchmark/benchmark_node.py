# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node in its own process, fed 640x480 rgb8 stereo by another: what it adds to the network.

    python test/benchmark/benchmark_node.py --weights tiny --cameras 3

Rates: 10 Hz for the loss, then half of what the node can do for the overhead, then that of fast
cameras, which may be more than it can do, for its capacity. A set of N cameras gives N - 1 poses.
Overhead is from the synchroniser's callback to the return of the last publish, less preprocessing
and network. Figures are the node's own, from /diagnostics; its memory is the kernel's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import Trigger

from geloc3r_ros.nodes import transport
from geloc3r_ros.nodes.processes import executable

HELPER = Path(__file__).parents[1] / "helpers" / "camera_process.py"
STAGES = ("latency", "decoding", "preprocessing", "network", "publishing", "overhead")


class Bench:
    """The node's process and a listener to its diagnostics."""

    def __init__(self, weights: str, backend: str, cameras: list[str]) -> None:
        self._cameras = cameras
        command = [executable("geloc3r_node"), "--ros-args", "--log-level", "error"]
        parameters = {"weights": weights, "backend": backend, "autostart": "true"}
        parameters["publish_untrained"] = "true"
        parameters |= {"gate.max_cycle_rotation": "3.14", "cameras": f"[{','.join(cameras)}]"}
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self._process = subprocess.Popen(command)
        self._node = rclpy.create_node("bench")
        self._values: dict[str, str] = {}
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._reset = self._node.create_client(Trigger, "/geloc3r/reset")
        while self._values.get("state") != "active":
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self._values = {item.key: item.value for item in message.status[0].values}

    def run(self, rate: float, count: int) -> dict[str, str]:
        """Feed the node and return its figures."""
        future = self._reset.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self._node, future)
        topics = [f"/{camera}/image" for camera in self._cameras]
        camera = [sys.executable, str(HELPER), "--topics", *topics]
        subprocess.run([*camera, "--rate", str(rate), "--count", str(count)], check=True)
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            rclpy.spin_once(self._node, timeout_sec=0.1)
        return self._values

    def memory(self) -> dict[str, str]:
        """Resident memory of the node now, and at most so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8").splitlines()
        kilobytes = {line.split()[0]: int(line.split()[1]) for line in lines if " kB" in line}
        return {name: f"{kilobytes[name + ':'] / 1e3:.0f}" for name in ("VmRSS", "VmHWM")}

    def close(self) -> None:
        """End the node."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


def milliseconds(value: str) -> float:
    return float(value.split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="tiny")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--rate", type=float, default=30.0, help="of fast cameras, Hz")
    parser.add_argument("--cameras", type=int, default=2, help="how many")
    parser.add_argument("--count", type=int, default=300, help="sets a run")
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.update(transport.environment())
    rclpy.init()
    cameras = [f"camera{i}" for i in range(arguments.cameras)]
    bench = Bench(arguments.weights, arguments.backend, cameras)
    bench.run(5.0, 20)
    at_ten = bench.run(10.0, arguments.count)
    half = 500.0 / milliseconds(at_ten["latency p50"])
    at_half = bench.run(half, arguments.count)
    above = bench.run(arguments.rate, 4 * arguments.count)
    memory = bench.memory()
    bench.close()
    rclpy.shutdown()

    print("| rate Hz | sent | received | matched | processed | dropped by the node |", end="")
    print(" latency p50, p99 ms | input age p99 ms |\n|---|---|---|---|---|---|---|---|")
    for rate, sent, values in (
        (10.0, arguments.count, at_ten),
        (half, arguments.count, at_half),
        (arguments.rate, 4 * arguments.count, above),
    ):
        received = ", ".join(values[f"{camera} received"] for camera in cameras)
        counts = [values[f"sets {name}"] for name in ("matched", "processed", "dropped")]
        times = ", ".join(values[f"latency p{p}"].split()[0] for p in (50, 99))
        age = values["input age p99"].split()[0]
        print(f"| {rate:.1f} | {sent} | {received} | {' | '.join(counts)} | {times} | {age} |")
    poses = (arguments.cameras - 1) * float(above["output rate"].split()[0])
    print(f"\ncapacity: {above['output rate']}, {poses:.1f} poses a second")
    print(f"memory of the node: {memory['VmRSS']} MB, at most {memory['VmHWM']} MB\n")
    print(f"| at {half:.1f} Hz, ms | p50 | p95 | p99 |\n|---|---|---|---|")
    for stage in STAGES:
        figures = [at_half[f"{stage} p{p}"].split()[0] for p in (50, 95, 99)]
        print(f"| {stage} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
