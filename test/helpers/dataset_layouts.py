# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writers of tiny datasets, each in the exact layout and conventions of its authors.

They are written from the formats' descriptions, not from the loaders: the conversions here go the
other way, from T_world_camera and K to what the files say.
"""

import gzip
import json
import pickle

import cv2
import numpy as np
from helpers.rendered_views import depth_png, photograph

CO3D_SCALE = 1.7
UNKNOWN_CORNER = 6  # pixels of depth that fixtures with masks leave out
PID = "5a3ca9cb270f0e3f14d0eddb"  # low 64 bits: no multiple of 10


def co3d(root, views, form="ndc_isotropic"):
    """See the reference page: row vectors, x left, y up; NDC; float16 in a 16-bit PNG."""
    width, height = views.size
    unit = np.array([min(width, height)] * 2) / 2
    if form == "ndc_norm_image_bounds":
        unit = np.array([width, height]) / 2
    flip = np.diag([-1.0, -1.0, 1.0])
    frames = []
    for i, T in enumerate(views.T_world_camera):
        T_camera_world = np.linalg.inv(T)
        stem = f"apple/110_13051_23361/{{}}/frame{i + 1:06d}"
        image, depth = stem.format("images") + ".jpg", stem.format("depths") + ".jpg.geometric.png"
        mask = stem.format("depth_masks") + ".png"
        photograph(root / image, views.images[i])
        halves = (views.depths[i] / CO3D_SCALE).astype(np.float16)
        (root / depth).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / depth), halves.view(np.uint16))
        known = np.full(halves.shape, 255, np.uint8)
        known[:UNKNOWN_CORNER, :UNKNOWN_CORNER] = 0
        (root / mask).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / mask), known)
        centre = np.array([width, height]) / 2 - (views.K[:2, 2] + 0.5)
        frames.append(
            {
                "sequence_name": "110_13051_23361",
                "frame_number": i,
                "frame_timestamp": i / 30,
                "image": {"path": image, "size": [height, width]},
                "depth": {"path": depth, "scale_adjustment": CO3D_SCALE, "mask_path": mask},
                "mask": None,
                "viewpoint": {
                    "R": (flip @ T_camera_world[:3, :3]).T.tolist(),
                    "T": (flip @ T_camera_world[:3, 3]).tolist(),
                    "focal_length": (np.diag(views.K)[:2] / unit).tolist(),
                    "principal_point": (centre / unit).tolist(),
                    "intrinsics_format": form,
                },
                "meta": None,
            }
        )
    with gzip.open(root / "apple" / "frame_annotations.jgz", "wt") as file:
        json.dump(frames[::-1], file)
    listed = [["110_13051_23361", i, frames[i]["image"]["path"]] for i in range(len(frames))]
    lists = root / "apple" / "set_lists" / "set_lists_fewview_dev.json"
    lists.parent.mkdir()
    lists.write_text(json.dumps({"train": listed, "val": [], "test": []}))


def _scene_info(views, scene, names):
    """The index of D2-Net and LoFTR: object arrays with a hole, T_camera_world, COLMAP's K."""
    count = len(views) + 1
    images, depths = np.full(count, None, object), np.full(count, None, object)
    poses, Ks = np.full(count, None, object), np.full(count, None, object)
    for i, name in enumerate(names, start=1):  # entry 0 was not undistorted
        images[i] = f"Undistorted_SfM/{scene}/images/{name}.jpg"
        depths[i] = f"phoenix/S6/zl548/MegaDepth_v1/{scene}/dense0/depths/{name}.h5"
        poses[i] = np.linalg.inv(views.T_world_camera[i - 1])
        Ks[i] = views.K + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    return {"image_paths": images, "depth_paths": depths, "poses": poses, "intrinsics": Ks}


def megadepth(root, views, scenes=("0001",), with_depth=True):
    """The folders of MegaDepth after D2-Net's undistortion."""
    for scene in scenes:
        names = [f"{k}_photo" for k in range(len(views))]
        info = _scene_info(views, scene, names)
        for i in range(len(views)):
            photograph(root / info["image_paths"][i + 1], views.images[i])
            if with_depth:
                import h5py

                path = root / info["depth_paths"][i + 1]
                path.parent.mkdir(parents=True, exist_ok=True)
                with h5py.File(path, "w") as file:
                    file["depth"] = views.depths[i]
        (root / "scene_info").mkdir(exist_ok=True)
        np.savez(root / "scene_info" / f"{scene}.npz", **info)


def megadepth1500(root, views):
    """The images and LoFTR's index of the pairs: a pickle, although it is called .npz."""
    names = [f"{k}_photo" for k in range(len(views))]
    info = _scene_info(views, "0015", names)
    for i in range(len(views)):
        photograph(root / info["image_paths"][i + 1], views.images[i])
    drawn = (1, 2), (3, 1)
    info["pair_infos"] = [(np.array(pair), np.float64(0.2), np.zeros(4)) for pair in drawn]
    folder = root / "megadepth_test_1500_scene_info"
    folder.mkdir()
    (folder / "0015_0.1_0.3.npz").write_bytes(pickle.dumps(info))


def blendedmvs(root, views, pid=PID):
    """MVSNet's camera files and bottom-up PFM."""
    for i, T in enumerate(views.T_world_camera):
        folder, name = root / pid, f"{i:08d}"
        photograph(folder / "blended_images" / f"{name}.jpg", views.images[i])
        (folder / "cams").mkdir(exist_ok=True)
        (folder / "rendered_depth_maps").mkdir(exist_ok=True)
        extrinsic = "\n".join(" ".join(map(repr, map(float, row))) for row in np.linalg.inv(T))
        K = "\n".join(" ".join(map(repr, map(float, row))) for row in views.K)
        text = f"extrinsic\n{extrinsic}\n\nintrinsic\n{K}\n\n0.5 0.01 128 9.0\n"
        (folder / "cams" / f"{name}_cam.txt").write_text(text)
        width, height = views.size
        data = np.flipud(views.depths[i]).astype("<f4").tobytes()
        pfm = b"Pf\n%d %d\n-1.000000\n" % (width, height) + data
        (folder / "rendered_depth_maps" / f"{name}.pfm").write_bytes(pfm)


def seven_scenes(root, views):
    """640x480, one K for all."""
    for i, T in enumerate(views.T_world_camera):
        stem = root / "chess" / "seq-03" / f"frame-{i:06d}"
        photograph(stem.with_name(stem.name + ".color.png"), views.images[i])
        depth_png(stem.with_name(stem.name + ".depth.png"), views.depths[i], unknown=65535)
        np.savetxt(stem.with_name(stem.name + ".pose.txt"), T, fmt="%.9e")
    (root / "chess" / "TestSplit.txt").write_text("sequence3\n")
    (root / "chess" / "TrainSplit.txt").write_text("sequence1\nsequence2\n")


def _quat_wxyz(R):
    """By the eigenvector of Shepperd's matrix, independent of the package."""
    axis = cv2.Rodrigues(R)[0].ravel()
    angle = np.linalg.norm(axis)
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis / max(angle, 1e-12))])


def _numbers(*values):
    return " ".join(repr(float(x)) for value in values for x in np.ravel(value))


def _distorted(picture, K, ideal_of_measured, how):
    """What a lens makes of an ideal picture; it maps measured normalised points (N, 2)."""
    height, width = picture.shape[:2]
    v, u = np.mgrid[:height, :width]
    points = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1).reshape(-1, 2)
    ideal = ideal_of_measured(points).reshape(height, width, 2) * np.diag(K)[:2] + K[:2, 2]
    x, y = np.moveaxis(ideal.astype(np.float32), -1, 0)
    return cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)


def cambridge(root, views, r=-0.08):
    """VisualSFM's model beside PNG frames and the lists of the split."""
    folder = root / "ShopFacade"
    lines, listed = (
        [],
        ["Visual Landmark Dataset V1", "ImageFile, Camera Position [X Y Z W P Q R]"],
    )
    listed.append("")
    for i, T in enumerate(views.T_world_camera):
        image = _distorted(
            views.images[i],
            views.K,
            lambda m: m * (1 + r * (m**2).sum(axis=1, keepdims=True)),
            cv2.INTER_LINEAR,
        )
        photograph(folder / "seq1" / f"frame{i:05d}.png", image)
        quaternion = _quat_wxyz(T[:3, :3].T)
        lines.append(
            f"seq1/frame{i:05d}.jpg\t{_numbers(views.K[0, 0], quaternion, T[:3, 3], r)} 0"
        )
        listed.append(f"seq1/frame{i:05d}.png {_numbers(T[:3, 3], quaternion)}")
    nvm = ["NVM_V3 ", "", str(len(lines)), *lines, "", "0", ""]
    (folder / "reconstruction.nvm").write_text("\n".join(nvm))
    (folder / "dataset_test.txt").write_text("\n".join(listed))
    (folder / "dataset_train.txt").write_text("\n".join(listed[:3]))


def recording(root, views):
    """A drive of one's own, as ``geloc3r-data from-bag`` writes it."""
    folder, frames = root / "drive_1", []
    for i, T in enumerate(views.T_world_camera):
        stamp = f"{1_700_000_000 * 10**9 + i * 10**8}"
        photograph(folder / "images" / f"{stamp}.jpg", views.images[i])
        depth_png(folder / "depths" / f"{stamp}.png", views.depths[i])
        frames.append(
            {
                "stamp": stamp,
                "image": f"images/{stamp}.jpg",
                "depth": f"depths/{stamp}.png",
                "size": views.size,
                "K": views.K.tolist(),
                "T_world_camera": T.tolist(),
            }
        )
    index = {"format": "geloc3r recording 1", "source": {}, "frames": frames}
    (folder / "recording.json").write_text(json.dumps(index))
