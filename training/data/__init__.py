# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training data: one sample type, one file a dataset, and a renderer of synthetic places."""
