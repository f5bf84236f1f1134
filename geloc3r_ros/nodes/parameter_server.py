# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters in ROS: declared from the table, checked, and held as settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.nodes.parameters import PARAMETERS, Parameter, Settings, check, unknown

__all__ = ["ParameterServer"]


class ParameterServer:
    """Declares every parameter of the table and keeps ``settings`` equal to them.

    An impossible override of one of them does not end the process: the default is declared in
    its place and :meth:`check`, called by configure, says what was wrong, until the parameter is
    set.

    Attributes:
        settings: the settings in force.
    """

    def __init__(
        self, node: Node, state: Callable[[], str], on_change: Callable[[], None]
    ) -> None:
        self._state, self._on_change = state, on_change
        # The public API tells of declared parameters only; a misspelt override would go unseen.
        overrides = node._parameter_overrides
        self._unknown = unknown(overrides)
        self._wrong: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        for parameter in PARAMETERS.values():
            self._declare(node, parameter, overrides.get(parameter.name))
        self.settings = Settings.from_values(self._values)
        node.add_on_set_parameters_callback(self._set)

    def check(self) -> None:
        """Check what no single parameter shows.

        Raises:
            ConfigError: naming every unknown or impossible override, or settings at odds.
        """
        problems = [*self._unknown, *self._wrong.values()]
        if problems:
            raise ConfigError("; ".join(problems))
        self.settings.check()

    def _declare(self, node: Node, parameter: Parameter, override: RosParameter | None) -> None:
        self._values[parameter.name] = parameter.default
        try:
            if override is not None:
                self._values[parameter.name] = check(parameter, override.value)
        except ConfigError as error:
            self._wrong[parameter.name] = str(error)
        default = parameter.default
        node.declare_parameter(
            parameter.name,
            list(default) if isinstance(default, tuple) else default,
            _descriptor(parameter),
            ignore_override=parameter.name in self._wrong,
        )

    def _set(self, parameters: list[RosParameter]) -> SetParametersResult:
        """Check changes and put them in force, all or none."""
        values = dict(self._values)
        configured = self._state() != "unconfigured"
        try:
            for ros_parameter in parameters:
                parameter = PARAMETERS.get(ros_parameter.name)
                if parameter is None:
                    continue
                value = check(parameter, ros_parameter.value)
                if configured and not parameter.live and value != values[parameter.name]:
                    raise ConfigError(
                        f"{parameter.name} is fixed while the node is {self._state()}; clean it "
                        "up first"
                    )
                values[parameter.name] = value
            settings = Settings.from_values(values)
            if configured:
                settings.check()
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values, self.settings = values, settings
        for ros_parameter in parameters:
            self._wrong.pop(ros_parameter.name, None)
        self._on_change()
        return SetParametersResult(successful=True)


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    descriptor = ParameterDescriptor(
        description=parameter.description + unit,
        additional_constraints=f"allowed: {parameter.allowed}; "
        + ("changes at any time" if parameter.live else "changes while unconfigured"),
        # A dynamic type lets an integer serve as a float; check() knows the type.
        dynamic_typing=parameter.kind in (float, tuple),
    )
    if parameter.low is not None and parameter.high is not None:
        if parameter.kind is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=1)
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=parameter.low, to_value=parameter.high, step=0.0)
            ]
    return descriptor
