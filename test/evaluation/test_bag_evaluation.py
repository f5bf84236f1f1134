# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole evaluations of bags: images, recorded poses, damage, interruption; and the page."""

import json
import re
import shutil
import sqlite3
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from geloc3r_ros.demo.recording import write_recording
from geloc3r_ros.errors import BagError, ConfigError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bag_evaluation import BagOptions, evaluate_bag
from geloc3r_ros.evaluation.bag_images import cameras_of_frames
from geloc3r_ros.evaluation.bag_run import find_poses
from geloc3r_ros.evaluation.bags import BagReader, BagWriter
from geloc3r_ros.evaluation.methods import load_method
from geloc3r_ros.evaluation.predictions import read_predictions
from geloc3r_ros.evaluation.truth import TruthOptions
from geloc3r_ros.geometry import make_transform, rotation_about

TRUTH = "/ground_truth/right/pose"
LEFT, RIGHT = "/left/image/compressed", "/right/image/compressed"
ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def plainly(predictions, name, total):
    """Show no progress."""
    return predictions


def evaluate(path, out, *methods, watch=plainly, truth=TRUTH, **options):
    options = BagOptions(truth=TruthOptions(source=truth), **options)
    return evaluate_bag(path, [load_method(name) for name in methods], out, options, watch)


@pytest.fixture(scope="module")
def moving(moving_bag, tmp_path_factory):
    """The moving scene, evaluated: folder and results."""
    out = tmp_path_factory.mktemp("out")
    return out, evaluate(moving_bag, out, "orb", "geloc3r")


def test_two_methods_over_the_images_of_a_bag(moving):
    out, results = moving
    orb = results["methods"]["orb"]
    assert orb["rotation_median_deg"] < 5
    assert (orb["pairs"], orb["without_truth"]) == (8, 0)
    assert results["methods"]["geloc3r"]["trained"] is True
    assert results["troubles"] == []
    assert results["sync"]["/left/image/compressed"] == {"received": 8, "unmatched": 0}
    assert results == json.loads((out / "metrics.json").read_text())
    assert (out / "orb" / "truth.tum").read_text().count("\n") == 9
    assert (out / "orb" / "errors.csv").read_text().count("\n") == 9
    with BagReader(out / "orb" / "poses") as bag:
        assert {n: t.count for n, t in bag.topics.items()} == {
            "/estimate/pose": 8,
            "/truth/pose": 8,
        }
        first = next(bag.messages(["/truth/pose"]))
        assert bag.deserialize(first).header.frame_id == "left_optical"


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects what the page loads."""

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_stands_alone(moving):
    page = (moving[0] / "report.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    # Recall, three pairs, errors, two trajectories.
    assert len(reader.sources) == 7
    assert all(source.startswith("data:image/") for source in reader.sources)
    assert "@import" not in page
    assert "url(" not in page.split("</style>")[0]
    for said in (
        "sign of the translation is not folded",
        "best pair",
        "worst pair",
        "/left/camera_info",
        "mean NEES",
    ):
        assert said in page, said


@pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_in_a_browser(moving, tmp_path, width):
    """The page fills the window and is not wider, down to the width of a phone."""
    page = (moving[0] / "report.html").read_text()
    # The page itself turns blue where it is wider than its window.
    probe = (
        "<script>onload = () => { if (document.documentElement.scrollWidth > innerWidth) "
        "document.body.style.background = '#0000ff' }</script>"
    )
    (tmp_path / "report.html").write_text(page.replace("</body>", f"{probe}</body>"))
    picture = tmp_path / "page.png"
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--window-size={width},3000", f"--screenshot={picture}",
            (tmp_path / "report.html").as_uri(),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    shot = cv2.imread(str(picture))
    assert shot.shape[1] == width
    assert shot[5, 5].tolist() == [249, 247, 245]
    dark = (shot < 200).any(axis=2)
    filled = np.flatnonzero(dark.any(axis=0))
    assert filled[0] < 0.15 * width
    assert filled[-1] > 0.85 * width
    assert dark.any(axis=1).mean() > 0.3


def test_an_interruption_costs_nothing(moving, moving_bag, tmp_path):
    def stop_after_three(predictions, name, total):
        for i, prediction in enumerate(predictions):
            if i == 3:
                raise KeyboardInterrupt
            yield prediction

    with pytest.raises(KeyboardInterrupt):
        evaluate(moving_bag, tmp_path / "out", "orb", watch=stop_after_three)
    begun = (tmp_path / "out" / "orb" / "predictions.jsonl").read_text()
    assert begun.count("\n") == 5
    evaluate(moving_bag, tmp_path / "out", "orb")
    assert (tmp_path / "out" / "orb" / "predictions.jsonl").read_text().startswith(begun)
    whole = read_predictions(tmp_path / "out" / "orb")
    assert whole.names == read_predictions(moving[0] / "orb").names
    with pytest.raises(ConfigError, match=r"another run: slop is 0.02, not 0.01"):
        evaluate(moving_bag, tmp_path / "out", "orb", slop=0.01)


def test_one_camera_chains_to_a_trajectory(moving_bag, tmp_path):
    """Each image of the driving camera against the one before; the truth is its own topic."""
    results = evaluate(moving_bag, tmp_path / "out", "sift", images=["/right/image/compressed"])
    sift = results["methods"]["sift"]
    assert (sift["pairs"], sift["still_pairs"]) == (7, 0)
    assert sift["rotation_median_deg"] < 1
    path = results["paths"]["sift"]
    assert (path["kind"], path["poses"], path["pieces"]) == ("chained", 8, 1)
    assert path["path_length_m"] == pytest.approx(7 * 0.12, abs=1e-6)
    assert path["rpe_m"]["max"] < 0.25


def test_steps_of_several_images_chain_too(moving_bag, tmp_path):
    """Of 8 images each against the one two before it: 0-2-4-6 or 1-3-5-7."""
    results = evaluate(
        moving_bag, tmp_path / "out", "constant", images=["/right/image/compressed"], step=2
    )
    path = results["paths"]["constant"]
    assert (path["kind"], path["poses"], path["pieces"]) == ("chained", 4, 2)
    assert path["path_length_m"] == pytest.approx(6 * 0.12, abs=1e-3)
    assert "It is the longest of 2 chains" in (tmp_path / "out" / "report.html").read_text()


def test_another_bag_of_the_same_name_does_not_mix_in(moving_bag, tmp_path):
    evaluate(moving_bag, tmp_path / "out", "constant")
    evaluate(moving_bag, tmp_path / "out", "constant")
    other = tmp_path / "other" / moving_bag.name
    shutil.copytree(moving_bag, other)
    with pytest.raises(ConfigError, match=f"bag is {moving_bag}, not {other}"):
        evaluate(other, tmp_path / "out", "constant")


@pytest.mark.parametrize("option", ["tolerance", "gap", "slop"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 1e10])
def test_seconds_out_of_range_are_refused(moving_bag, tmp_path, option, value):
    given = {"slop": value} if option == "slop" else {}
    source = TruthOptions(source=TRUTH, **({} if given else {option: value}))
    with pytest.raises(ConfigError, match=rf"--{option} is .*; it must be from 0 to 1e\+09 s"):
        evaluate_bag(moving_bag, [], tmp_path / "out", BagOptions(truth=source, **given), plainly)


def test_options_without_effect_are_refused(moving_bag, tmp_path):
    with pytest.raises(ConfigError, match="--step 2 has no effect on two cameras, /left"):
        evaluate(moving_bag, tmp_path / "out", "constant", step=2)
    with pytest.raises(ConfigError, match="--images /a and --poses /b exclude each other"):
        evaluate(moving_bag, tmp_path / "out", "constant", images=["/a"], poses="/b")
    path = write_node_bag(tmp_path / "bag", StoragePlugin.MCAP)
    for name, given in (("method", {"methods_named": True}), ("step", {"step": 2})):
        with pytest.raises(ConfigError, match=rf"--{name} has no effect .* --images"):
            evaluate(path, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_the_demos_recording(tmp_path):
    write_recording(tmp_path / "bag")
    results = evaluate(tmp_path / "bag", tmp_path / "out", "sift", rectify=True)
    sift = results["methods"]["sift"]
    assert sift["pairs"] == 13
    assert "distorted" not in results["note"]
    assert sift["rotation_median_deg"] < 3
    assert results["paths"] == {}  # the pose of a stereo pair never changes


def test_a_bag_that_was_cut_off_is_evaluated_as_far_as_it_goes(tmp_path):
    write_recording(tmp_path / "bag")
    file = tmp_path / "bag" / "bag.mcap"
    file.write_bytes(file.read_bytes()[: int(0.6 * file.stat().st_size)])
    results = evaluate(tmp_path / "bag", tmp_path / "out", "orb")
    assert 3 <= results["methods"]["orb"]["pairs"] < 13
    (trouble,) = results["troubles"]
    assert "cut off" in trouble
    assert "/right/image: its images are distorted" in results["note"]  # which is no damage
    assert trouble.split(";")[0] in (tmp_path / "out" / "report.html").read_text().replace(
        "&#x27;", "'"
    )


def test_a_damaged_chunk_is_said_and_the_rest_evaluated(tmp_path):
    write_recording(tmp_path / "recording")
    copy = BagWriter(tmp_path / "bag", compressed=True)
    with BagReader(tmp_path / "recording") as source, copy:
        for topic in source.topics.values():
            copy.add_topic(topic.name, topic.type)
        for message in source.messages():
            copy.write_serialized(message.topic, message.stamp, message.data)
    file = tmp_path / "bag" / "bag.mcap"
    data = bytearray(file.read_bytes())
    second = [match.start() for match in re.finditer(rb"\x28\xb5\x2f\xfd", data)][1]
    data[second] ^= 0xFF  # of the number that every zstd frame begins with
    file.write_bytes(data)
    results = evaluate(tmp_path / "bag", tmp_path / "out", "orb")
    assert 3 <= results["methods"]["orb"]["pairs"] < 13
    (trouble,) = results["troubles"]
    assert "are damaged and were left out" in trouble


def test_no_pair_and_no_truth_are_said(moving_bag, tmp_path):
    (tmp_path / "truth.tum").write_text("1 0 0 0 0 0 0 1\n")
    with pytest.raises(BagError, match=r"no pose of the truth lies within 0\.02 s"):
        evaluate(moving_bag, tmp_path / "a", "orb", truth=str(tmp_path / "truth.tum"))
    with pytest.raises(BagError, match="no truth on /nothing"):
        evaluate(moving_bag, tmp_path / "d", "orb", truth="/nothing")
    assert not (tmp_path / "d").exists()
    with pytest.raises(BagError, match="has no pair to evaluate"):
        evaluate(moving_bag, tmp_path / "b", "orb", images=["/right/image/compressed"], step=50)
    with pytest.raises(ConfigError, match="step is 0; it must be from 1"):
        evaluate(moving_bag, tmp_path / "c", "orb", step=0)


def relative_pose_types():
    types = get_typestore(Stores.ROS2_JAZZY)
    text = (ROOT / "msg" / "RelativePose.msg").read_text()
    types.register(get_types_from_msg(text, "geloc3r_ros/msg/RelativePose"))
    return types


def write_node_bag(path, storage_message):
    """A bag as a node's recording: three relative poses, one not valid, and the truth."""
    types = relative_pose_types()
    kind = "geloc3r_ros/msg/RelativePose"
    with Writer(path, version=8, storage_plugin=storage_message) as bag:
        poses = bag.add_connection("/geloc3r/right/relative_pose", kind, typestore=types)
        truth = bag.add_connection(TRUTH, "geometry_msgs/msg/PoseStamped", typestore=types)
        for i in range(4):
            stamp = (i + 1) * 10**9
            T = make_transform(rotation_about([0, 1, 0], 0.1 * i), [1.0, 0.2 * i, 0.1 * i * i])
            true = messages.pose_stamped(stamp, "left", T)
            bag.write(truth, stamp, types.serialize_cdr(true, truth.msgtype))
            off = make_transform(rotation_about([1, 0, 0], 0.02) @ T[:3, :3], T[:3, 3])
            said = messages.pose_stamped(stamp, "left", off)
            message = types.types[kind](
                header=said.header,
                child_frame_id="right",
                child_stamp=said.header.stamp,
                pose=types.types["geometry_msgs/msg/PoseWithCovariance"](
                    pose=said.pose, covariance=np.diag([1e-4] * 6).ravel()
                ),
                valid=i != 2,
                translation_valid=i != 2,
                scale_known=True,
                trained=True,
                reason="" if i != 2 else "gate",
                weights="tiny",
                cycle_rotation_error=0.0,
                cycle_translation_error=0.0,
                latency=0.05,
            )
            bag.write(poses, stamp + 10**7, types.serialize_cdr(message, kind))
    return path


def test_poses_that_a_node_recorded(tmp_path):
    path = write_node_bag(tmp_path / "bag", StoragePlugin.MCAP)
    results = evaluate(path, tmp_path / "out")
    said = results["methods"]["recorded"]
    assert (said["pairs"], said["failures"], said["trained"]) == (4, 1, True)
    assert said["rotation_median_deg"] == pytest.approx(np.degrees(0.02), abs=1e-6)
    assert said["latency_ms"]["p50"] == pytest.approx(50)
    assert said["covariance"]["rotation"]["nees_mean"] == pytest.approx(0.02**2 / 1e-4)
    assert (results["sync"]["invalid"], results["sync"]["missing"]) == (1, 0)
    assert results["paths"]["recorded"]["lengths_from_truth"] is False
    assert results["paths"]["recorded"]["ape_m"]["max"] == pytest.approx(0, abs=1e-6)
    assert results["configuration"]["poses"] == "/geloc3r/right/relative_pose"


def test_recorded_numbers_that_are_not_finite_are_failures(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for topic in ("/pose", TRUTH):
            bag.add_topic(topic, "geometry_msgs/msg/PoseStamped")
        for i in range(3):
            T = make_transform(np.eye(3), [0, 0, 2.0])
            bag.write(TRUTH, i + 1, messages.pose_stamped(i + 1, "left", T))
            T[0, 3] = np.nan if i == 1 else 0
            pose = messages.pose_stamped(i + 1, "left", T)
            if i == 0:
                pose.pose.orientation.w = np.nan
            bag.write("/pose", i + 1, pose)
    results = evaluate(path, tmp_path / "out", poses="/pose")
    said = results["methods"]["recorded"]
    assert (said["pairs"], said["failures"]) == (3, 2)
    assert results["troubles"] == []
    told = (tmp_path / "out" / "recorded" / "errors.csv").read_text()
    assert "not finite" in told
    assert "the recorded pose is none" in told


def test_two_cameras_of_one_frame_are_told_apart_or_refused(moving_bag, tmp_path):
    def same_frame(topic, stamp, message):
        if topic in (LEFT, RIGHT):
            message.header.frame_id = "left_optical"
        return [(topic, stamp, message)]

    path = changed(moving_bag, tmp_path / "bag", same_frame)
    with pytest.raises(BagError, match=r"name one frame, 'left_optical'.*--child-frame"):
        evaluate(path, tmp_path / "out", "constant")
    named = evaluate(path, tmp_path / "named", "constant", child_frame="right_optical")
    truth = evaluate(moving_bag, tmp_path / "truth", "constant")
    constants = (results["methods"]["constant"] for results in (named, truth))
    assert len({figures["rotation_median_deg"] for figures in constants}) == 1


@pytest.mark.parametrize("cameras", [(LEFT, RIGHT), (LEFT,)])
def test_pictures_of_recorded_poses_are_of_the_cameras_they_name(moving_bag, tmp_path, cameras):
    """Recorded is where the left camera stands in the right one: topics sort the other way."""
    poses = "/left_in_right"

    def turned(topic, stamp, message):
        if topic in (LEFT, RIGHT) and topic not in cameras:
            return []
        if topic != TRUTH:
            return [(topic, stamp, message)]
        T_right_left = np.linalg.inv(messages.transform_of(message.pose))
        at = messages.stamp_of(message)
        said = messages.pose_stamped(at, "right_optical", T_right_left)
        return [(topic, stamp, message), (poses, stamp, said)]

    path = changed(moving_bag, tmp_path / "bag", turned)
    options = BagOptions(
        truth=TruthOptions(source=TRUTH, moving_frame="right_optical"),
        poses=poses,
        child_frame="left_optical",
    )
    evaluate_bag(path, [], tmp_path / "out", options, plainly)
    predictions = read_predictions(tmp_path / "out" / "recorded")
    with BagReader(path) as bag:
        asked = cameras_of_frames(bag, predictions.frames[0]) if len(cameras) == 2 else []
    assert [camera.image for camera in asked] == ([RIGHT, LEFT] if len(cameras) == 2 else [])
    page = (tmp_path / "out" / "report.html").read_text()
    assert ("best pair" in page) == (len(cameras) == 2)


def test_a_recording_without_definitions_says_what_to_do(tmp_path):
    path = write_node_bag(tmp_path / "bag", StoragePlugin.SQLITE3)
    with sqlite3.connect(path / "bag.db3") as database:
        database.execute("DELETE FROM message_definitions")
    with pytest.raises(BagError, match="the bag does not define it; record with --storage mcap"):
        evaluate(path, tmp_path / "out")


def test_poses_of_a_plain_topic(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for topic in ("/pose", TRUTH):
            bag.add_topic(topic, "geometry_msgs/msg/PoseStamped")
        for i in range(3):
            T = make_transform(rotation_about([0, 1, 0], 0.1 * i), [0, 0, 2.0 + i])
            for topic in ("/pose", TRUTH):
                bag.write(topic, i + 1, messages.pose_stamped(i + 1, "left", T))
    results = evaluate(path, tmp_path / "out", poses="/pose")
    assert results["methods"]["recorded"]["auc"]["5"] == pytest.approx(1, abs=1e-6)
    assert results["methods"]["recorded"]["latency_ms"] is None
    with (
        BagReader(path) as bag,
        pytest.raises(BagError, match="/other has no messages; poses are read from"),
    ):
        find_poses(bag, "/other")


def changed(source, path, change):
    """A copy of a bag in which ``change`` has the say: topic, stamp and message to new ones."""
    with BagReader(source) as bag:
        found = [
            new for m in bag.messages() for new in change(m.topic, m.stamp, bag.deserialize(m))
        ]
        kinds = {topic.name: topic.type for topic in bag.topics.values()}
    for topic, _, message in found:
        kinds[topic] = getattr(message, "__msgtype__", kinds.get(topic))
    with BagWriter(path) as bag:
        for topic, kind in kinds.items():
            bag.add_topic(topic, kind)
        for topic, stamp, message in found:
            write = bag.write_serialized if isinstance(message, bytes) else bag.write
            write(topic, stamp, message)
    return path


TEXT = messages.STANDARD_TYPES.types["std_msgs/msg/String"](data="hello")


def garbage(topic, number):
    """Replace the n-th message of a topic by bytes that are none."""
    seen = []

    def change(name, stamp, message):
        seen.append(name)
        damaged = name == topic and seen.count(topic) == number
        return [(name, stamp, b"\0\1\0\0garbage" if damaged else message)]

    return change


def backwards(name, stamp, message):
    """Take a second off the stamp of every third image, which the first one may bear."""
    if name in (LEFT, RIGHT) and stamp // (2 * 10**8) % 3 == 0:
        message.header.stamp.sec -= 1
    return [(name, stamp, message)]


@pytest.mark.parametrize(
    ("change", "pairs", "trouble"),
    [
        (
            garbage(LEFT, 1),
            7,
            f"{LEFT}: 1 of 8 messages are damaged and were left out; the first: Could not",
        ),
        (garbage(RIGHT, 4), 7, f"{RIGHT}: 1 of 8 messages are damaged and were left out"),
        (garbage(TRUTH, 2), 7, f"{TRUTH}: 1 of 8 messages are damaged and were left out"),
        (backwards, 6, f"{RIGHT}: 2 of 8 images were left out; they have no stamp"),
        (
            lambda name, stamp, m: [(name, stamp, TEXT if name == "/left/camera_info" else m)],
            8,
            f"/left/camera_info is of type std_msgs/msg/String, so that {LEFT} has no intrinsics",
        ),
        (
            lambda name, stamp, m: [(name, stamp, m)] if name != "/right/camera_info" else [],
            8,
            f"/right/camera_info has no messages, so that {RIGHT} has no intrinsics",
        ),
    ],
)
def test_what_is_sound_of_a_malformed_bag_is_evaluated(
    moving_bag, tmp_path, change, pairs, trouble
):
    path = changed(moving_bag, tmp_path / "bag", change)
    results = evaluate(path, tmp_path / "out", "constant")
    assert results["methods"]["constant"]["pairs"] == pairs
    assert any(trouble in said for said in results["troubles"]), results["troubles"]


def test_a_database_with_lost_pages_is_said_to_be_incomplete(moving_bag, tmp_path):
    with BagReader(moving_bag) as source, BagWriter(tmp_path / "bag", "sqlite3") as target:
        for topic in source.topics.values():
            target.add_topic(topic.name, topic.type)
        for m in source.messages():
            target.write_serialized(m.topic, m.stamp, m.data)
    with sqlite3.connect(tmp_path / "bag" / "bag.db3") as database:
        database.execute("DELETE FROM messages WHERE id > 20")
    results = evaluate(tmp_path / "bag", tmp_path / "out", "constant")
    assert 0 < results["methods"]["constant"]["pairs"] < 8
    assert any(f"{LEFT}: only" in t for t in results["troubles"])


def not_a_number(name, stamp, message):
    if name == TRUTH:
        message.pose.position.x = float("nan")
    return [(name, stamp, message)]


def no_stamps(name, stamp, message):
    if name in (LEFT, RIGHT):
        message.header.stamp.sec = message.header.stamp.nanosec = 0
    return [(name, stamp, message)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            not_a_number,
            "the truth: 8 of its poses cannot be used; .* a position that is not finite",
        ),
        (no_stamps, f"has no pair to evaluate: {LEFT}: 8 of 8 images were left out"),
        (
            lambda name, stamp, m: [(name, stamp, TEXT if name == RIGHT else m)],
            "'left_optical' is told in itself; say whose it is with --moving-frame",
        ),
        (
            lambda name, stamp, m: [(name, stamp, m)] if name != RIGHT else [],
            f"'left_optical' is told in itself; .*; {RIGHT} has no messages",
        ),
        (
            lambda name, stamp, m: [(name, stamp, TEXT if name == TRUTH else m)],
            f"{TRUTH} is of type std_msgs/msg/String; the truth is read from",
        ),
        (
            lambda name, stamp, m: [] if name in (LEFT, RIGHT) else [(name, stamp, m)],
            "has images on no topic",
        ),
        (lambda name, stamp, m: [], f"no truth on {TRUTH}"),
    ],
)
def test_where_nothing_can_be_evaluated_the_reason_is_said(moving_bag, tmp_path, change, message):
    path = changed(moving_bag, tmp_path / "bag", change)
    with pytest.raises(BagError, match=message):
        evaluate(path, tmp_path / "out", "constant")
