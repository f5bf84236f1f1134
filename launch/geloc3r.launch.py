# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the node, and lead it to its active state.

    ros2 launch geloc3r_ros geloc3r.launch.py rectify:=true \
        remaps:="left/image:=/stereo/left/image_raw right/image:=/stereo/right/image_raw"
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from geloc3r_ros.nodes import transport

SHARE = Path(get_package_share_directory("geloc3r_ros"))

ARGUMENTS = {
    "params_file": (str(SHARE / "config" / "geloc3r.yaml"), "Parameters of the node, YAML."),
    "weights": ("", "Weights; empty: as in params_file."),
    "device": ("", "auto, cpu, cuda, cuda:N; empty: as in params_file."),
    "namespace": ("", "Namespace of the node and of the camera topics."),
    "remaps": ("", 'Topics, as in "left/image:=/a/image right/image:=/b/image".'),
    "rectify": ("", "Remove the lens distortion: true, false; empty: as in params_file."),
    "use_sim_time": ("", "Take the time from /clock: true, false; empty: as in params_file."),
    "autostart": ("true", "Configure and activate the node."),
    "rviz": ("false", "Show images, frames and poses in RViz."),
    "log_level": ("info", "debug, info, warn, error."),
}
SWITCH = ["true", "false", "True", "False"]
CHOICES = {
    "rectify": ["", *SWITCH],
    "use_sim_time": ["", *SWITCH],
    "autostart": SWITCH,
    "rviz": SWITCH,
    "log_level": ["debug", "info", "warn", "error", "fatal"],
}


def generate_launch_description() -> LaunchDescription:
    """Describe the launch: the arguments, the transport, the node."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value=default, description=text, choices=CHOICES.get(name)
                )
                for name, (default, text) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(*item) for item in transport.environment().items()),
            OpaqueFunction(function=_node),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(SHARE / "config" / "geloc3r.rviz")],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )


def _node(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    overrides: dict[str, object] = {
        name: values[name] for name in ("weights", "device") if values[name]
    }
    for name in ("rectify", "use_sim_time"):
        if values[name]:
            overrides[name] = values[name].lower() == "true"
    logger = ".".join([*values["namespace"].strip("/").split("/"), "geloc3r"]).lstrip(".")
    node = LifecycleNode(
        package="geloc3r_ros",
        executable="geloc3r_node",
        name="geloc3r",
        namespace=values["namespace"],
        parameters=[values["params_file"], overrides],
        remappings=_remappings(values["remaps"]),
        arguments=["--ros-args", "--log-level", f"{logger}:={values['log_level']}"],
        output="screen",
    )
    if values["autostart"].lower() != "true":
        return [node]
    is_node = matches_action(node)

    def change(transition: int) -> EmitEvent:
        return EmitEvent(
            event=ChangeState(lifecycle_node_matcher=is_node, transition_id=transition)
        )

    activate = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state="inactive",
            entities=[change(Transition.TRANSITION_ACTIVATE)],
            handle_once=True,
        )
    )
    return [node, activate, change(Transition.TRANSITION_CONFIGURE)]


def _remappings(remaps: str) -> list[tuple[str, str]]:
    pairs = [remap.partition(":=") for remap in remaps.split()]
    if wrong := [name for name, sign, topic in pairs if not (name and sign and topic)]:
        raise ValueError(f"remaps: {wrong[0]!r} is none; write NAME:=TOPIC, spaces between them")
    return [(name, topic) for name, _, topic in pairs]
