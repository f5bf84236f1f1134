# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offline training of GeLoc3r; installed as ``geloc3r_training`` and never on a robot."""
