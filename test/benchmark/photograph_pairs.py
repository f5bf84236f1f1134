# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of photographs that nobody measured, for geloc3r eval pairs.

    pip install pycolmap
    python test/benchmark/photograph_pairs.py photographs castle
    geloc3r eval pairs castle/pairs.json --method geloc3r --method sift --out results/castle

COLMAP (J. Schönberger and J.-M. Frahm, CVPR 2016) finds out how all cameras stood, from all
photographs together. So pairs are among them that features would fail on alone: all that share
a fair part of the points, are turned by at most 60 degrees and did move. Their images are
undistorted, and small.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pycolmap

from geloc3r_ros.geometry import Array, inverse, rotation_angle

FULL_SIDE = 1600
"""Longer side of the photographs that COLMAP gets, pixels."""
SHARED_POINTS, SHARED = 25, 0.08
"""Points that both views of a pair see, at least; the same as a share of those of either."""
TURN, LEAST_BASELINE = np.radians(60), 0.02
"""Largest rotation, and the least baseline over the median depth."""


def reconstruct(files: list[Path], work: Path, several: bool) -> pycolmap.Reconstruction:
    """Where all cameras stood; undistorted photographs go to ``work / "images"``."""
    photographs = work / "photographs"
    photographs.mkdir()
    for file in files:
        image = shrunk(cv2.imread(str(file)), FULL_SIDE)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 97]
        cv2.imwrite(str(photographs / f"{file.stem}.jpg"), image, quality)
    options = pycolmap.FeatureExtractionOptions()
    options.sift.peak_threshold = 0.004
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_RADIAL"
    mode = pycolmap.CameraMode.PER_IMAGE if several else pycolmap.CameraMode.SINGLE
    database = work / "database.db"
    pycolmap.extract_features(
        database, photographs, camera_mode=mode, reader_options=reader, extraction_options=options
    )
    pycolmap.match_exhaustive(database)
    found = pycolmap.incremental_mapping(database, photographs, work)
    if not found:
        raise SystemExit("COLMAP found no two photographs that show the same")
    largest = max(found.values(), key=lambda one: one.num_reg_images())
    sparse = work / "largest"
    sparse.mkdir()
    largest.write(sparse)
    pycolmap.undistort_images(work, sparse, photographs)
    return pycolmap.Reconstruction(work / "sparse")


def shrunk(image: Array, side: int) -> Array:
    """An image whose longer side has at most so many pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = round(width * scale), round(height * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def pairs_of(reconstruction: pycolmap.Reconstruction) -> list[tuple[int, int, Array]]:
    """Numbers of two images and ``T_a_b``, of all pairs that are asked for."""
    images = sorted(reconstruction.images.values(), key=lambda image: image.name)
    points = [{p.point3D_id for p in image.points2D if p.has_point3D()} for image in images]
    poses = [np.vstack((image.cam_from_world().matrix(), [0, 0, 0, 1])) for image in images]
    pairs = []
    for a in range(len(images)):
        for b in range(a + 1, len(images)):
            both = points[a] & points[b]
            fewer = min(len(points[a]), len(points[b]))
            T_a_b = poses[a] @ inverse(poses[b])
            if len(both) < max(SHARED_POINTS, SHARED * fewer):
                continue
            places = np.array([reconstruction.points3D[i].xyz for i in both])
            depth = np.median(places @ poses[a][2, :3] + poses[a][2, 3])
            baseline = np.linalg.norm(T_a_b[:3, 3]) / depth
            if rotation_angle(T_a_b[:3, :3]) <= TURN and baseline >= LEAST_BASELINE:
                pairs.append((images[a].image_id, images[b].image_id, T_a_b))
    return pairs


def main() -> None:
    """Write OUT/pairs.json and its images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="folder")
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument("--side", type=int, default=640, help="longer side of the pairs' images")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th photograph")
    parser.add_argument("--pairs", type=int, default=60, help="at most, drawn by chance")
    parser.add_argument("--several-cameras", action="store_true", help="each has a focal length")
    asked = parser.parse_args()
    files = sorted(
        p for p in asked.photographs.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )[:: asked.every]
    if len(files) < 2:
        parser.error(f"{asked.photographs} has {len(files)} photographs; 2 are needed")
    asked.out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        reconstruction = reconstruct(files, work, asked.several_cameras)
        found = pairs_of(reconstruction)
        random.Random(0).shuffle(found)
        names, Ks = {}, {}
        for number, image in reconstruction.images.items():
            photograph = cv2.imread(str(work / "images" / image.name))
            small = shrunk(photograph, asked.side)
            scale = np.divide(small.shape[1::-1], photograph.shape[1::-1])
            K = np.diag([*scale, 1]) @ reconstruction.cameras[image.camera_id].calibration_matrix()
            K[:2, 2] -= 0.5  # COLMAP's centres of pixels are at a half
            names[number], Ks[number] = f"{Path(image.name).stem}.png", K.tolist()
            cv2.imwrite(str(asked.out / names[number]), small)
    pairs = [
        {"images": [names[a], names[b]], "K": [Ks[a], Ks[b]], "T_a_b": T_a_b.tolist()}
        for a, b, T_a_b in found[: asked.pairs]
    ]
    (asked.out / "pairs.json").write_text(
        json.dumps({"name": asked.out.name, "pairs": pairs}), encoding="utf-8"
    )
    print(
        f"{asked.out}/pairs.json: {len(pairs)} pairs of {len(found)}, of "
        f"{len(reconstruction.images)} of {len(files)} photographs, which COLMAP places to "
        f"{reconstruction.compute_mean_reprojection_error():.1f} pixels"
    )


if __name__ == "__main__":
    main()
