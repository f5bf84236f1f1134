# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of ``geloc3r eval bag`` over a long bag: the demo's moving scene, played over and over.

Run: python test/benchmark/benchmark_long_bag.py FOLDER [--minutes 20]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

import geloc3r_ros
from geloc3r_ros.demo.scenes import Scene
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import BagWriter

MOVING = Path(geloc3r_ros.__file__).parent / "demo" / "moving"
PERIOD, TRUTH_PERIOD = 5 * 10**8, 10**7  # nanoseconds
START = 1_700_000_000 * 10**9
SIZE = (320, 240)
HALF = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
TRUTH = "/truth"


def jpeg(rgb):
    small = cv2.resize(rgb, SIZE, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()


def write(path, minutes):
    scene = Scene("moving", MOVING, "compressed")
    truth = sorted(scene.truth().items())
    views = [scene.view(stamp) for stamp, _ in truth]
    pictures = [(jpeg(view.left), jpeg(view.right)) for view in views]
    with BagWriter(path) as bag:
        bag.add_topic(TRUTH, "geometry_msgs/msg/PoseStamped")
        for side in ("left", "right"):
            bag.add_topic(f"/{side}/image/compressed", "sensor_msgs/msg/CompressedImage")
            bag.add_topic(f"/{side}/camera_info", "sensor_msgs/msg/CameraInfo")
        for i in range(int(minutes * 60 * 10**9 / PERIOD)):
            stamp, index = START + i * PERIOD, i % len(truth)
            for side, picture in zip(("left", "right"), pictures[index], strict=True):
                frame = f"{side}_optical"
                info = messages.camera_info(stamp, frame, SIZE, HALF @ views[index].K_left)
                bag.write(f"/{side}/camera_info", stamp, info)
                image = messages.compressed_image(stamp, frame, picture)
                bag.write(f"/{side}/image/compressed", stamp, image)
            for later in range(0, PERIOD, TRUTH_PERIOD):
                pose = messages.pose_stamped(stamp + later, "left_optical", truth[index][1])
                bag.write(TRUTH, stamp + later, pose)


def resident_megabytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the bag, unless it is there, and results")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the bag is")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "bag").exists():
        write(folder / "bag", options.minutes)
    command = ["geloc3r", "eval", "bag", folder / "bag", "--truth", TRUTH, "--method", "orb"]
    start = time.monotonic()
    process = subprocess.Popen([*map(str, command), "--out", str(folder / "out")])
    print("seconds  predictions  resident MB")
    predictions = folder / "out" / "orb" / "predictions.jsonl"
    while process.poll() is None:
        time.sleep(10)
        done = sum(1 for _ in predictions.open()) - 1 if predictions.exists() else 0
        if Path(f"/proc/{process.pid}").exists():
            megabytes = resident_megabytes(process.pid)
            print(f"{time.monotonic() - start:7.0f} {done:12d} {megabytes:12.0f}")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
