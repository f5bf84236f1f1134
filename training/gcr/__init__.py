# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometric Consistency Regularization: what training adds to the regression of a pose.

Source: GeLoc3r (Li, Lee, Fan, arXiv 2509.23038). Where the paper is silent the choices are fields
of ``GcrConfig``. Nothing of this package runs on a robot.
"""

from geloc3r_training.gcr.config import GcrConfig
from geloc3r_training.gcr.consistency import GeometricConsistency
from geloc3r_training.gcr.descriptors import DescriptorMap
from geloc3r_training.gcr.pairs import TokenMap, View
from geloc3r_training.gcr.sampling import pair_generators
from geloc3r_training.gcr.steps import ConsistencyStep, descriptor_step, pose_step
from geloc3r_training.gcr.teacher import DescriptorHeads, Teacher, load_mast3r
from geloc3r_training.gcr.weighted_ransac import RansacResult, weighted_ransac

__all__ = [
    "ConsistencyStep",
    "DescriptorHeads",
    "DescriptorMap",
    "GcrConfig",
    "GeometricConsistency",
    "RansacResult",
    "Teacher",
    "TokenMap",
    "View",
    "descriptor_step",
    "load_mast3r",
    "pair_generators",
    "pose_step",
    "weighted_ransac",
]
