# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ``geloc3r``, a file a noun.

They import torch, ROS and the like when they run, so that ``--help`` does not wait for them.
"""
