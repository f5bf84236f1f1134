# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writers of tiny datasets of videos, each in the exact layout and conventions of its authors."""

import json

import cv2
import numpy as np
from helpers.dataset_layouts import _distorted, _numbers, _quat_wxyz
from helpers.rendered_views import depth_png, photograph

BROWN = 0.05, -0.03, 0.01, -0.006


def _through_lens(picture, K, how):
    k1, k2, p1, p2 = BROWN

    def ideal(points):
        return cv2.undistortPoints(points[:, None], np.eye(3), np.array([k1, k2, p1, p2]))[:, 0]

    return _distorted(picture, K, ideal, how)


def scannetpp(root, views):
    """The iPhone's frames, rendered depth and COLMAP text model."""
    folder = root / "data" / "0a5c013435" / "iphone"
    images = ["# Image list with two lines of data per image:"]
    for i, T in enumerate(views.T_world_camera):
        name, T_camera_world = f"frame_{i * 10:06d}", np.linalg.inv(T)
        image = _through_lens(views.images[i], views.K, cv2.INTER_LINEAR)
        photograph(folder / "rgb" / f"{name}.jpg", image)
        depth = _through_lens(views.depths[i], views.K, cv2.INTER_NEAREST)
        depth_png(folder / "render_depth" / f"{name}.png", depth)
        quaternion = _quat_wxyz(T_camera_world[:3, :3])
        images += [f"{i + 1} {_numbers(quaternion, T_camera_world[:3, 3])} 1 {name}.jpg", ""]
    width, height = views.size
    (fx, _, cx), (_, fy, cy), _ = views.K
    camera = f"1 OPENCV {width} {height} {_numbers(fx, fy, cx + 0.5, cy + 0.5, BROWN)}"
    (folder / "colmap").mkdir()
    (folder / "colmap" / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    (folder / "colmap" / "images.txt").write_text("\n".join(images[:1] + images[:0:-1][::-1]))
    (root / "splits").mkdir()
    (root / "splits" / "nvs_sem_train.txt").write_text("0a5c013435\nffffffffff\n")
    (root / "splits" / "nvs_sem_val.txt").write_text("")


def arkitscenes(root, views):
    """Raw, low resolution: stamps in file names, axis-angle of T_camera_world."""
    folder = root / "raw" / "Training" / "47333462"
    lines = []
    for i, T in enumerate(views.T_world_camera):
        T_camera_world, stamp = np.linalg.inv(T), f"{6845.8 + 0.1 * i:.3f}"
        stem = f"47333462_{stamp}"
        photograph(folder / "lowres_wide" / f"{stem}.png", views.images[i])
        depth_png(folder / "lowres_depth" / f"{stem}.png", views.depths[i])
        sure = np.full(views.depths[i].shape, 2, np.uint8)
        sure[:6, :6] = 1
        (folder / "confidence").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "confidence" / f"{stem}.png"), sure)
        (folder / "lowres_wide_intrinsics").mkdir(exist_ok=True)
        (fx, _, cx), (_, fy, cy), _ = views.K
        pincam = folder / "lowres_wide_intrinsics" / f"47333462_{float(stamp) + 1e-3:.3f}.pincam"
        width, height = views.size
        pincam.write_text(f"{width} {height} {_numbers(fx, fy, cx, cy)}\n")
        turn = cv2.Rodrigues(T_camera_world[:3, :3])[0]
        lines.append(f"{float(stamp) + 4e-4:.8f} {_numbers(turn, T_camera_world[:3, 3])}")
    (folder / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    unposed = folder / "lowres_wide" / "47333462_6845.850.png"
    photograph(unposed, views.images[0])


def dl3dv(root, views):
    """Images at an eighth of the size that transforms.json speaks of; OpenGL axes."""
    folder = root / "1K" / "0a1b7c20a92c"
    frames = []
    for i, T in enumerate(views.T_world_camera):
        name = f"frame_{i + 1:05d}.png"
        image = _through_lens(views.images[i], views.K, cv2.INTER_LINEAR)
        photograph(folder / "images_8" / name, image)
        opengl = T.copy()
        opengl[:3, 1:3] *= -1
        frames.append({"file_path": f"images/{name}", "transform_matrix": opengl.tolist()})
    width, height = views.size
    (fx, _, cx), (_, fy, cy), _ = views.K * 8
    k1, k2, p1, p2 = BROWN
    shot = {
        "w": width * 8, "h": height * 8, "fl_x": fx, "fl_y": fy, "cx": cx + 4, "cy": cy + 4,
        "k1": k1, "k2": k2, "p1": p1, "p2": p2, "camera_model": "OPENCV", "frames": frames[::-1],
    }  # fmt: skip
    (folder / "transforms.json").write_text(json.dumps(shot))


def realestate10k(root, views, split="train", index="evaluation_index_re10k.json"):
    """Camera files and frames cut out of the videos; T_camera_world, shares of the image."""
    width, height = views.size
    (fx, _, cx), (_, fy, cy), _ = views.K
    shares = fx / width, fy / height, (cx + 0.5) / width, (cy + 0.5) / height
    lines = ["https://www.youtube.com/watch?v=none"]
    for i, T in enumerate(views.T_world_camera):
        stamp = 50_000_000 + 33_367 * i
        folder = root / "frames" / split / "0000cc6d8b108390"
        photograph(folder / f"{stamp}.png", views.images[i])
        rows = np.linalg.inv(T)[:3]
        lines.append(f"{stamp} {_numbers(shares)} 0 0 {_numbers(rows)}")
    (root / split).mkdir()
    (root / split / "0000cc6d8b108390.txt").write_text("\n".join(lines) + "\n")
    pairs = {"0000cc6d8b108390": {"context": [0, 2], "target": [1]}, "0000000000000000": None}
    (root / index).write_text(json.dumps(pairs))


def acid(root, views):
    """As RealEstate10K, under another index."""
    realestate10k(root, views, "test", "evaluation_index_acid.json")


def scannet1500(root, views):
    """Colour at twice the size of depth; T_world_camera."""
    folder = root / "scannet_test_1500" / "scene0707_00"
    for i, T in enumerate(views.T_world_camera):
        image = cv2.resize(views.images[i], (1296, 968), interpolation=cv2.INTER_LINEAR)
        photograph(folder / "color" / f"{15 * i}.jpg", image)
        depth_png(folder / "depth" / f"{15 * i}.png", views.depths[i])
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{15 * i}.txt", T)
    names = np.array([[707, 0, 0, 15], [707, 0, 30, 45]])
    np.savez(root / "test.npz", name=names)
    np.savez(root / "intrinsics.npz", scene0707_00=views.K)


def tum(root, views):
    """Lists by time; poses between the images, so that they have to be interpolated."""
    folder = root / "rgbd_dataset_freiburg1_desk"
    lists = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    poses = ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"]
    for i, T in enumerate(views.T_world_camera):
        rgb, depth = f"1305031452.{791720 + 33000 * i:06d}", f"1305031452.{793013 + 33000 * i:06d}"
        photograph(folder / "rgb" / f"{rgb}.png", views.images[i])
        depth_png(folder / "depth" / f"{depth}.png", views.depths[i], 5000.0)
        lists["rgb"].append(f"{rgb} rgb/{rgb}.png")
        lists["depth"].append(f"{depth} depth/{depth}.png")
        # 0.2 ms before and after: moved a little to either side along the world's x.
        w, x, y, z = _quat_wxyz(T[:3, :3])
        for delta, shift in ((-200, -0.01), (200, 0.01)):
            stamp = f"1305031452.{791720 + 33000 * i + delta:06d}"
            poses.append(f"{stamp} {_numbers(T[:3, 3] + [shift, 0, 0], (x, y, z, w))}")
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / "groundtruth.txt").write_text("\n".join(poses) + "\n")
