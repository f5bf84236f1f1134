# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay a rosbag2 into the node.

ros2 launch geloc3r_ros replay.launch.py bag:=drive.mcap rate:=0.5
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

NODE = Path(get_package_share_directory("geloc3r_ros")) / "launch" / "geloc3r.launch.py"
# How long the replay waits for the node to subscribe: large weights take their time to load.
NODE_START_SECONDS = "60"

ARGUMENTS = {
    "rate": ("1.0", "Speed of the replay."),
    "loop": ("false", "Begin again at the end."),
    "start": ("0.0", "Seconds to skip at the beginning."),
    "duration": ("0.0", "Seconds to play; 0: to the end."),
    "clock": ("false", "Publish /clock, and let the node take its time from it."),
}
SWITCH = ["true", "false", "True", "False"]
CHOICES = {"loop": SWITCH, "clock": SWITCH}


def generate_launch_description() -> LaunchDescription:
    """Describe the launch: the node as in geloc3r.launch.py, and the replay beside it."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Folder or .mcap file of the recording."),
            *(
                DeclareLaunchArgument(
                    name, default_value=default, description=text, choices=CHOICES.get(name)
                )
                for name, (default, text) in ARGUMENTS.items()
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(NODE)),
                launch_arguments={"use_sim_time": LaunchConfiguration("clock")}.items(),
            ),
            OpaqueFunction(function=_replay),
        ]
    )


def _replay(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ("bag", *ARGUMENTS)}
    command = ["geloc3r", "replay", values["bag"], "--rate", values["rate"]]
    command += ["--start", values["start"], "--wait", NODE_START_SECONDS]
    if float(values["duration"]):
        command += ["--duration", values["duration"]]
    command += [f"--{flag}" for flag in ("loop", "clock") if values[flag].lower() == "true"]
    replay = ExecuteProcess(cmd=command, output="screen")
    return [replay, RegisterEventHandler(OnProcessExit(target_action=replay, on_exit=_end))]


def _end(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """End the launch with the replay; launch fails if it is told so while it is ending."""
    return None if context.is_shutdown else EmitEvent(event=Shutdown(reason="bag ended"))
