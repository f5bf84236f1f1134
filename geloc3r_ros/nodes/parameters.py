# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one table, from which the node, its YAML file and its docs are made.

``python -m geloc3r_ros.nodes.parameters yaml`` prints ``config/geloc3r.yaml``, ``... markdown``
the table of ``docs/node.md``; a test holds both files against the table.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import sys
from collections.abc import Iterable
from typing import Any

from geloc3r_ros.errors import ConfigError

__all__ = [
    "PARAMETERS",
    "Parameter",
    "Settings",
    "check",
    "markdown_table",
    "unknown",
    "yaml_text",
]

# Parameters that every rclpy node has.
OF_RCLPY = ("use_sim_time", "start_type_description_service")
LONGEST_CAMERA_NAME = 100  # a topic of ROS has at most 247, with namespace and node
CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One row of the table."""

    name: str
    default: Any
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    @property
    def kind(self) -> Any:
        """Type of the value: bool, int, float, str or tuple (of str)."""
        return type(self.default)

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None:
            return {bool: "true, false", tuple: "list of strings"}.get(self.kind, "any string")
        high = "any" if self.high is None else f"{self.high:g}"
        return f"{'integers ' if self.kind is int else ''}{self.low:g} to {high}"


def _parameter(default: Any, description: str, *, name: str = "", **rest: Any) -> Any:
    return dataclasses.field(
        default=default, metadata={"name": name, "description": description, **rest}
    )


@dataclasses.dataclass(frozen=True)
class Settings:
    """Values of all parameters: live ones change any time, the others while unconfigured."""

    cameras: tuple[str, ...] = _parameter(
        ("left", "right"),
        "Names of the cameras, two or more; the first is the reference a. "
        "Each reads `<camera>/image` and `<camera>/camera_info`.",
    )
    image_transport: str = _parameter(
        "raw",
        "`compressed` reads `<image topic>/compressed`.",
        choices=("raw", "compressed"),
    )
    weights: str = _parameter(
        "tiny", "Weights: a shipped variant, a fetched hub name, or a path to a file."
    )
    device: str = _parameter(
        "auto",
        "`auto`, `cpu`, `cuda` or `cuda:N`; `auto` falls back to the CPU and says so. "
        "Backend `onnx` also knows `tensorrt` and `tensorrt:N`.",
    )
    precision: str = _parameter(
        "auto",
        "Arithmetic of the network; `auto` takes what is fastest and safe on the device, never "
        "`int8`, which is for wide networks on a CPU.",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    )
    backend: str = _parameter(
        "torch",
        "What runs the network; for `onnx`, `weights` is the folder that `geloc3r export` made.",
        choices=("torch", "onnx"),
    )
    rectify: bool = _parameter(
        False, "Undistort the images with the distortion of camera_info first."
    )
    intrinsics_rectified: bool = _parameter(
        False,
        "The images are rectified already (image_rect): their intrinsics are P of camera_info, "
        "not K and D.",
        name="intrinsics.rectified",
    )
    intrinsics_require: bool = _parameter(
        False,
        "Refuse sets of which a camera has no valid camera_info.",
        name="intrinsics.require",
        live=True,
    )
    intrinsics_normalize: bool = _parameter(
        True,
        "Bring all views to one focal length and a centred principal point where "
        "camera_info is known.",
        name="intrinsics.normalize",
        live=True,
    )
    sync_exact: bool = _parameter(
        False, "Match equal stamps only, instead of stamps within the slop.", name="sync.exact"
    )
    sync_slop: float = _parameter(
        0.02,
        "The stamps of one set differ by less than this. From half the period of the images on, "
        "one lost image can pair all later ones with the next.",
        name="sync.slop",
        unit="s",
        low=1e-6,
        high=10.0,
    )
    sync_queue_size: int = _parameter(
        10,
        "Images kept per camera while waiting for their partners.",
        name="sync.queue_size",
        low=1,
        high=1000,
    )
    max_age: float = _parameter(
        0.0,
        "Drop sets older than this when their turn comes, by the node's clock; 0: never. "
        "Needs stamps of the same clock (or `use_sim_time`).",
        unit="s",
        low=0.0,
        high=3600.0,
        live=True,
    )
    max_future: float = _parameter(
        60.0,
        "Refuse images stamped further ahead of the node's clock than this; 0: never.",
        unit="s",
        low=0.0,
        high=86400.0,
        live=True,
    )
    max_update_rate: float = _parameter(
        0.0,
        "Process at most this many sets a second; 0: as many as possible.",
        unit="Hz",
        low=0.0,
        high=1000.0,
        live=True,
    )
    scale_source: str = _parameter(
        "unit",
        "Length of the translation: `unit` (a direction only), `fixed` (`scale.baseline`), "
        "`tf` (distance of the two camera frames in TF, which the covariance calls not "
        "measured), `camera_info` (baseline of a rectified stereo pair).",
        name="scale.source",
        choices=("unit", "fixed", "tf", "camera_info"),
    )
    scale_baseline: float = _parameter(
        0.0,
        "Distance of the cameras for `scale.source: fixed`.",
        name="scale.baseline",
        unit="m",
        low=0.0,
        high=1000.0,
        live=True,
    )
    tf_timeout: float = _parameter(
        0.1,
        "Longest wait for a TF at the stamp of a set.",
        name="tf.timeout",
        unit="s",
        low=0.0,
        high=10.0,
        live=True,
    )
    gate_max_cycle_rotation: float = _parameter(
        0.35,
        "A set whose two estimates (a from b, b from a) disagree more in rotation is invalid.",
        name="gate.max_cycle_rotation",
        unit="rad",
        low=0.0,
        high=math.pi,
        live=True,
    )
    gate_max_cycle_translation: float = _parameter(
        0.7,
        "A set whose two estimates disagree more in direction has no valid translation.",
        name="gate.max_cycle_translation",
        unit="rad",
        low=0.0,
        high=math.pi,
        live=True,
    )
    publish_tf: bool = _parameter(True, "Broadcast the pose on /tf.", live=True)
    invert_tf: bool = _parameter(
        False, "Broadcast the inverse: camera b is the parent, the estimate of a the child."
    )
    tf_child_suffix: str = _parameter(
        "_geloc3r",
        "Appended to the camera's frame to name the TF child, a new leaf; without known scale "
        "`_unit` follows.",
        name="tf.child_suffix",
    )
    publish_untrained: bool = _parameter(
        False, "Publish pose and TF although the weights are untrained.", live=True
    )
    frame_ids: tuple[str, ...] = _parameter(
        (), "Optical frame of each camera; empty: as in the images' headers."
    )
    output_frame: str = _parameter(
        "optical",
        "`optical`: pose of camera b's optical frame in camera a's. `base`: pose of "
        "`base.child_frame` in `base.frame`, through the TF extrinsics.",
        choices=("optical", "base"),
    )
    base_frame: str = _parameter(
        "base_link",
        "The frame that carries camera a, for `output_frame: base`.",
        name="base.frame",
    )
    base_child_frame: str = _parameter(
        "",
        "The frame that camera b is mounted on, for `output_frame: base`; empty: camera b's "
        "optical frame.",
        name="base.child_frame",
    )
    debug_image_width: int = _parameter(
        640,
        "Width of `~/debug_image`.",
        name="debug_image.width",
        unit="px",
        low=64,
        high=4096,
        live=True,
    )
    watchdog_timeout: float = _parameter(
        5.0,
        "A camera silent for longer than this is reported.",
        name="watchdog.timeout",
        unit="s",
        low=0.1,
        high=3600.0,
        live=True,
    )
    diagnostics_period: float = _parameter(
        1.0,
        "Time between two messages on `~/status` and `/diagnostics`.",
        name="diagnostics.period",
        unit="s",
        low=0.05,
        high=60.0,
        live=True,
    )
    autostart: bool = _parameter(False, "Configure and activate at start.")

    @property
    def reads_tf(self) -> bool:
        """Whether transforms of others are needed."""
        return self.scale_source == "tf" or self.output_frame == "base"

    @property
    def longest_pause(self) -> float:
        """Seconds for which a set may have to wait for its turn, and then for TF."""
        turn = 1.0 / self.max_update_rate if self.max_update_rate else 0.0
        lookups = (self.scale_source == "tf") + 2 * (self.output_frame == "base")
        return turn + lookups * (len(self.cameras) - 1) * self.tf_timeout

    def check(self) -> None:
        """Check the values against each other.

        Raises:
            ConfigError: naming the two that are at odds.
        """
        if self.scale_source == "fixed" and self.scale_baseline <= 0.0:
            raise ConfigError(
                f"scale.baseline is {self.scale_baseline} m; scale.source: fixed needs the "
                "distance of the cameras, above 0"
            )
        if self.rectify and self.intrinsics_rectified:
            raise ConfigError(
                "rectify and intrinsics.rectified are both true; images that are rectified "
                "already must not be undistorted again"
            )
        if self.frame_ids and len(self.frame_ids) != len(self.cameras):
            raise ConfigError(
                f"frame_ids has {len(self.frame_ids)} entries for {len(self.cameras)} cameras; "
                "give one each, or none"
            )
        if len(self.cameras) > 2 and self.publish_tf:
            one_child = {
                "invert_tf: true": self.invert_tf,
                f"base.child_frame: {self.base_child_frame}": self.output_frame == "base"
                and bool(self.base_child_frame),
            }
            if at_odds := [setting for setting, given in one_child.items() if given]:
                raise ConfigError(
                    f"with {len(self.cameras)} cameras, {at_odds[0]} gives one TF child a parent "
                    "or a pose of each; set publish_tf: false, or take two cameras"
                )
        if self.output_frame == "base" and not self.base_frame:
            raise ConfigError("base.frame is empty; output_frame: base needs the frame's name")

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Settings:
        """Make settings from values by parameter name; names not given keep their default.

        Raises:
            ConfigError: for a value of a wrong type or out of range.
        """
        fields = {(f.metadata["name"] or f.name): f for f in dataclasses.fields(cls)}
        return cls(**{fields[name].name: check(PARAMETERS[name], v) for name, v in values.items()})


PARAMETERS: dict[str, Parameter] = {
    (name := field.metadata["name"] or field.name): Parameter(
        default=field.default, **{**field.metadata, "name": name}
    )
    for field in dataclasses.fields(Settings)
}


def check(parameter: Parameter, value: Any) -> Any:
    """Return ``value`` in the parameter's own type (an integer serves as a float).

    Raises:
        ConfigError: if the type is wrong or the value is not allowed.
    """
    name, kind = parameter.name, parameter.kind
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is tuple and (value is None or isinstance(value, list)):
        value = tuple(value or ())  # an empty list has no type in ROS, and arrives as None
    if type(value) is not kind or (kind is tuple and not all(isinstance(v, str) for v in value)):
        raise ConfigError(f"{name} is {value!r}; it takes {parameter.allowed}")
    in_range = parameter.low is None or (
        math.isfinite(value)
        and value >= parameter.low
        and (parameter.high is None or value <= parameter.high)
    )
    if not in_range or (parameter.choices and value not in parameter.choices):
        raise ConfigError(f"{name} is {value!r}; it takes {parameter.allowed}")
    if name == "cameras":
        _check_cameras(value)
    return value


def _check_cameras(cameras: tuple[str, ...]) -> None:
    if len(cameras) < 2 or len(set(cameras)) != len(cameras):
        raise ConfigError(f"cameras is {list(cameras)}; give two or more different names")
    for camera in cameras:
        if not CAMERA_NAME.fullmatch(camera) or len(camera) > LONGEST_CAMERA_NAME:
            raise ConfigError(
                f"cameras has {camera!r}; a name is letters, digits and _ after a letter, "
                f"in parts separated by /, and has at most {LONGEST_CAMERA_NAME} characters"
            )


def unknown(names: Iterable[str]) -> list[str]:
    """Describe each name that is no parameter of the node, with the nearest that is."""
    messages = []
    for name in names:
        if name in PARAMETERS or name in OF_RCLPY or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
        messages.append(f"{name} is no parameter" + (f"; did you mean {near[0]}?" if near else ""))
    return messages


def _yaml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def yaml_text() -> str:
    """Return the text of ``config/geloc3r.yaml``: every parameter at its default, explained."""
    lines = [
        "# Every parameter of the node at its default; docs/node.md has the same as a table.",
        "/**:",
        "  ros__parameters:",
    ]
    for p in PARAMETERS.values():
        lines.append(f"    # {p.description.replace('`', '')}")
        value = _yaml_value(p.default)
        # An empty list has no type in a parameter file, so it is shown but not set.
        lines.append(f"    {'# ' if p.default == () else ''}{p.name}: {value}")
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """Return the table of ``docs/node.md``."""
    rows = [
        "| parameter | default | allowed | unit | change | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for p in PARAMETERS.values():
        change = "any time" if p.live else "unconfigured"
        rows.append(
            f"| `{p.name}` | `{_yaml_value(p.default)}` | {p.allowed} | {p.unit} | {change} "
            f"| {p.description} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write({"yaml": yaml_text, "markdown": markdown_table}[sys.argv[1]]())
