# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of one camera from a video, a folder or a bag, and files of the poses along them."""
