# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a launch file, as `ros2 launch` does, where only the launch library is installed.

python test/helpers/launch_process.py launch/geloc3r.launch.py namespace:=dock device:=cpu
"""

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

if __name__ == "__main__":
    service = LaunchService(noninteractive=True)
    arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
    file = PythonLaunchDescriptionSource(sys.argv[1])
    service.include_launch_description(
        LaunchDescription([IncludeLaunchDescription(file, launch_arguments=arguments)])
    )
    sys.exit(service.run())
