# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of photographs that nobody measured, for geloc3r eval pairs.

    python test/benchmark/photograph_pairs.py photographs castle --focal 2905.88 --centre 1416 1064
    geloc3r eval pairs castle/pairs.json --method geloc3r --method sift --out results/castle

Each photograph is paired with the next ones. RootSIFT and poselib's LO-RANSAC at full resolution
say how the cameras stood; a pair counts where many matches bear that out, whatever the samples.
So no pair is one that features fail on: this tells how near others come to them.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np
import poselib
from rich.progress import track

from geloc3r_ros.evaluation.classical import Points
from geloc3r_ros.geometry import (
    Array,
    angle_between,
    inverse,
    make_transform,
    rotation_angle,
    rotation_from_quat_xyzw,
)
from geloc3r_ros.inference.images import Image, read_image

FEATURES, RATIO = 12_000, 0.8
SEEDS = 3
AGREE = math.radians(1.0), math.radians(3.0)
"""Rotation and direction of all seeds must be as near as this."""


class Features:
    """Of one photograph: RootSIFT (R. Arandjelovic and A. Zisserman, CVPR 2012)."""

    def __init__(self, rgb: Image) -> None:
        sift = cv2.SIFT.create(FEATURES, contrastThreshold=0.01)
        keys, found = sift.detectAndCompute(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), None)
        self.points: Points = np.array([key.pt for key in keys])
        self.descriptors = np.sqrt(found / found.sum(1, keepdims=True))

    def matches(self, other: Features) -> tuple[Points, Points]:
        """Pixels of this photograph and of the other one."""
        two = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.descriptors, other.descriptors, 2)
        good = [first for first, second in two if first.distance < RATIO * second.distance]
        return self.points[[m.queryIdx for m in good]], other.points[[m.trainIdx for m in good]]


def truth(
    a: Features, b: Features, camera: dict[str, object], tolerance: float, least: int
) -> Array | None:
    """``T_a_b``, or None where too few matches bear it out, or other samples say another."""
    points = a.matches(b)
    if len(points[0]) < least:
        return None
    poses = []
    for seed in range(SEEDS):
        options = {"max_epipolar_error": tolerance, "max_iterations": 20_000, "seed": seed}
        pose, info = poselib.estimate_relative_pose(*points, camera, camera, options)
        if info["num_inliers"] < least:
            return None
        w, *xyz = pose.q
        t_b_a = np.asarray(pose.t) / np.linalg.norm(pose.t)
        poses.append(make_transform(rotation_from_quat_xyzw([*xyz, w]), t_b_a))
    for other in poses[1:]:
        turn = rotation_angle(poses[0][:3, :3].T @ other[:3, :3])
        if turn > AGREE[0] or angle_between(poses[0][:3, 3], other[:3, 3]) > AGREE[1]:
            return None
    return inverse(poses[0])


def main() -> None:
    """Write OUT/pairs.json and its images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="folder, of one camera, in order")
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument("--focal", type=float, required=True, help="pixels, at full resolution")
    parser.add_argument("--centre", type=float, nargs=2, help="principal point; the middle")
    parser.add_argument("--side", type=int, default=640, help="longer side of the pairs' images")
    parser.add_argument("--next", type=int, default=3, help="photographs each is paired with")
    parser.add_argument("--tolerance", type=float, default=2.0, help="of a match, pixels")
    parser.add_argument("--least", type=int, default=150, help="matches within it that are asked")
    asked = parser.parse_args()
    files = sorted(
        p for p in asked.photographs.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )
    if len(files) < 2:
        parser.error(f"{asked.photographs} has {len(files)} photographs; 2 are needed")
    asked.out.mkdir(parents=True)
    images = [read_image(file) for file in files]
    height, width = images[0].shape[:2]
    x, y = asked.centre or ((width - 1) / 2, (height - 1) / 2)
    K = np.array([[asked.focal, 0, x], [0, asked.focal, y], [0, 0, 1]])
    small = (asked.side, round(height * asked.side / width))
    if height > width:
        small = (round(width * asked.side / height), asked.side)
    scale = np.diag([small[0] / width, small[1] / height, 1.0])
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # centres of pixels are integers
    K_small = np.linalg.inv(shift) @ scale @ shift @ K
    for file, image in zip(files, images, strict=True):
        resized = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(asked.out / f"{file.stem}.png"), resized[..., ::-1])
    places = [
        (i, j)
        for i in range(len(files))
        for j in range(i + 1, min(i + 1 + asked.next, len(files)))
    ]
    features = [Features(image) for image in images]
    camera = {
        "model": "PINHOLE", "width": width, "height": height,
        "params": [asked.focal, asked.focal, x, y],
    }  # fmt: skip
    pairs = []
    for i, j in track(places, "truth"):
        T_a_b = truth(features[i], features[j], camera, asked.tolerance, asked.least)
        if T_a_b is not None:
            names = [f"{files[k].stem}.png" for k in (i, j)]
            pairs.append({"images": names, "K": [K_small.tolist()] * 2, "T_a_b": T_a_b.tolist()})
    (asked.out / "pairs.json").write_text(
        json.dumps({"name": asked.photographs.name, "pairs": pairs}), encoding="utf-8"
    )
    print(f"{asked.out}/pairs.json: {len(pairs)} pairs of {len(places)}")


if __name__ == "__main__":
    main()
