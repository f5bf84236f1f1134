# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The truth, from every kind of source, against poses composed by hand."""

import numpy as np
import pytest

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation import truth as truth_module
from geloc3r_ros.evaluation.bags import LATCHED, BagReader, BagWriter
from geloc3r_ros.evaluation.messages import STANDARD_TYPES
from geloc3r_ros.evaluation.predictions import Prediction, Predictions
from geloc3r_ros.evaluation.trajectories import write_tum
from geloc3r_ros.evaluation.truth import TruthOptions, with_truth
from geloc3r_ros.geometry import inverse, make_transform, rotation_about

SECOND = 10**9
STAMPS = [(i + 1) * SECOND for i in range(4)]
T_BASE_CAMERA = make_transform(rotation_about([1, 0, 0], -1.5), [0.3, 0.1, 0.5])


def body(i):
    """Pose of the robot in odom at the i-th stamp."""
    return make_transform(rotation_about([0, 0, 1], 0.3 * i), [0.5 * i, 0.1 * i * i, 0])


def new(kind, **fields):
    return STANDARD_TYPES.types[kind](**fields)


def pose_of(stamp, frame, T):
    return messages.pose_stamped(stamp, frame, T)


def transform(stamp, frame, child, T):
    stamped = pose_of(stamp, frame, T)
    p = stamped.pose.position
    vector = new("geometry_msgs/msg/Vector3", x=p.x, y=p.y, z=p.z)
    said = new(
        "geometry_msgs/msg/Transform", translation=vector, rotation=stamped.pose.orientation
    )
    return new(
        "geometry_msgs/msg/TransformStamped",
        header=stamped.header,
        child_frame_id=child,
        transform=said,
    )


def with_covariance(stamped):
    return new("geometry_msgs/msg/PoseWithCovariance", pose=stamped.pose, covariance=np.zeros(36))


def odometry(stamp, T):
    stamped = pose_of(stamp, "odom", T)
    zero = new("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    twist = new("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    return new(
        "nav_msgs/msg/Odometry",
        header=stamped.header,
        child_frame_id="base_link",
        pose=with_covariance(stamped),
        twist=new("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def tf(*transforms):
    return new("tf2_msgs/msg/TFMessage", transforms=list(transforms))


KINDS = {
    "geometry_msgs/msg/PoseStamped": lambda s, T: pose_of(s, "odom", T),
    "geometry_msgs/msg/PoseWithCovarianceStamped": lambda s, T: new(
        "geometry_msgs/msg/PoseWithCovarianceStamped",
        header=pose_of(s, "odom", T).header,
        pose=with_covariance(pose_of(s, "odom", T)),
    ),
    "nav_msgs/msg/Odometry": odometry,
    "geometry_msgs/msg/TransformStamped": lambda s, T: transform(s, "odom", "base_link", T),
}


def write(path, kind, message_of, static=True, delay=0):
    """A bag with the robot's poses, and where its camera is mounted."""
    with BagWriter(path) as bag:
        bag.add_topic("/truth", kind)
        for i, stamp in enumerate(STAMPS):
            bag.write("/truth", stamp, message_of(stamp + delay, body(i)))
        if static:
            bag.add_topic("/tf_static", "tf2_msgs/msg/TFMessage", LATCHED)
            mount = transform(0, "base_link", "camera", T_BASE_CAMERA)
            bag.write("/tf_static", STAMPS[2], tf(mount))
    return path


def predictions(frames=("camera", "camera"), pairs=((0, 1), (1, 2), (2, 3))):
    return Predictions.of(
        {},
        [
            Prediction(
                name=f"{a}-{b}",
                T_a_b=None,
                stamps=(STAMPS[a], STAMPS[b]),
                frames=frames,
            )
            for a, b in pairs
        ],
    )


def truth(path, source="/truth", predicted=None, **options):
    with BagReader(path) as bag:
        found, trouble = with_truth(
            predicted or predictions(), bag, TruthOptions(source=source, **options)
        )
    assert trouble == ""
    return found.T_a_b_true


EXPECTED = [
    inverse(body(i) @ T_BASE_CAMERA) @ body(i + 1) @ T_BASE_CAMERA for i in range(len(STAMPS) - 1)
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_on_a_robot(tmp_path, kind):
    path = write(tmp_path / "bag", kind, KINDS[kind])
    names_its_frame = "Pose" not in kind
    found = truth(path, moving_frame="" if names_its_frame else "base_link")
    assert found == pytest.approx(np.array(EXPECTED))


def test_without_extrinsics_the_pose_is_that_of_the_camera(tmp_path):
    path = write(tmp_path / "bag", *next(iter(KINDS.items())), static=False)
    assert truth(path) == pytest.approx(
        np.array([inverse(body(i)) @ body(i + 1) for i in range(3)])
    )


def test_two_cameras_of_which_the_topic_tells_one_in_the_other(tmp_path):
    kind, message_of = "geometry_msgs/msg/PoseStamped", lambda s, T: pose_of(s, "left", T)
    path = write(tmp_path / "bag", kind, message_of, static=False)
    found = truth(path, predicted=predictions(("left", "right"), [(1, 1), (3, 3)]))
    assert found == pytest.approx(np.array([body(1), body(3)]))


def test_tf_of_two_robots(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
        for i, stamp in enumerate(STAMPS):
            bag.write(
                "/tf",
                stamp,
                tf(
                    transform(stamp, "odom", "left", body(i)),
                    transform(stamp, "odom", "right", T_BASE_CAMERA @ body(i)),
                ),
            )
    found = truth(path, "tf", predictions(("left", "right"), [(2, 2)]))
    assert found[0] == pytest.approx(inverse(body(2)) @ T_BASE_CAMERA @ body(2))
    alone = truth(path, "tf", predictions(("left", "left")))
    assert alone[1] == pytest.approx(inverse(body(1)) @ body(2))


def test_a_tum_file(tmp_path):
    path = write(tmp_path / "bag", *next(iter(KINDS.items())))
    write_tum(tmp_path / "truth.tum", {s: body(i) for i, s in enumerate(STAMPS)})
    file = str(tmp_path / "truth.tum")
    assert truth(path, file, moving_frame="base_link") == pytest.approx(np.array(EXPECTED))
    seen = truth(path, file, predictions(("left", "right"), [(2, 2)]))
    assert seen[0] == pytest.approx(body(2))


def test_beyond_the_tolerance_there_is_no_truth(tmp_path):
    path = write(tmp_path / "bag", *next(iter(KINDS.items())), delay=15_000_000)
    assert np.isfinite(truth(path, tolerance=0.015, moving_frame="base_link")).all()
    assert np.isnan(truth(path, tolerance=0.014, moving_frame="base_link")).all()


def test_between_poses_that_are_near_the_truth_is_interpolated(tmp_path):
    """A screw of steady speed, told every 0.1 s and asked for in the middle between."""
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.add_topic("/truth", "geometry_msgs/msg/PoseStamped")
        for i in range(9):
            turn = make_transform(rotation_about([0, 0, 1], 0.2 * i), [0, 0, 0.5 * i])
            stamp = STAMPS[0] - SECOND // 20 + i * SECOND // 10
            bag.write("/truth", stamp, pose_of(stamp, "odom", turn))
    middle = (STAMPS[0], STAMPS[0] + SECOND // 5)
    asked = Predictions.of(
        {}, [Prediction(name="", T_a_b=None, stamps=middle, frames=("camera", "camera"))]
    )
    expected = make_transform(rotation_about([0, 0, 1], 0.4), [0, 0, 1.0])
    assert truth(path, predicted=asked)[0] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(truth(path, predicted=asked, gap=0.09)[0, :3]).all()


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("/nothing", {}, "no truth on /nothing: .*; topics with poses are /truth"),
        ("/tf_static", {}, "/tf_static is of type tf2_msgs/msg/TFMessage; the truth is read from"),
        ("/truth", {"fixed_frame": "map"}, "does not lead from 'map' to 'camera'; it has base_"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, source, options, message):
    path = write(tmp_path / "bag", *next(iter(KINDS.items())))
    with pytest.raises(BagError, match=message):
        truth(path, source, **options)


def test_a_quaternion_of_no_length_is_said(tmp_path):
    def zero(stamp, T):
        stamped = pose_of(stamp, "odom", T)
        stamped.pose.orientation = new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=0.0)
        return stamped

    path = write(tmp_path / "bag", "geometry_msgs/msg/PoseStamped", zero)
    with pytest.raises(
        BagError, match="the truth: 4 of its poses cannot be used; the first: quaternion"
    ):
        truth(path)


def test_links_that_lead_nowhere_take_no_memory(tmp_path, monkeypatch):
    """Of a robot with many joints only the links between world and camera are kept."""
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
        for i, stamp in enumerate(STAMPS):
            joints = [transform(stamp, "camera", f"joint_{k}", body(k)) for k in range(20)]
            bag.write("/tf", stamp, tf(transform(stamp, "odom", "camera", body(i)), *joints))
    kept = []
    make = truth_module.PosesAt.__init__
    monkeypatch.setattr(
        truth_module.PosesAt, "__init__", lambda self, *a: (kept.append(self), make(self, *a))[1]
    )
    found = truth(path, "tf", fixed_frame="odom")
    assert found[0] == pytest.approx(inverse(body(0)) @ body(1))
    assert len(kept) == 1
