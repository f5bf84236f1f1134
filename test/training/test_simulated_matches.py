# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import torch

from geloc3r_ros.model import load_weights
from geloc3r_ros.model.match_head import MatchPoseHead, Side
from geloc3r_ros.model.pose_head import pose_from_raw
from geloc3r_training.config import StageConfig
from geloc3r_training.gcr.se3 import inverse, pose_errors
from geloc3r_training.pairs import Share
from geloc3r_training.simulated_matches import REUSE, _geometry, simulated_matches

CONFIG = StageConfig(objective="simulated", steps=10, batch_size=16, learning_rate=1e-3)


ALONE = Share()


CPU = torch.device("cpu")


def batches(start=0, share=ALONE, seed=0, device=CPU):
    return simulated_matches(seed, 0, CONFIG, start, share, 0, device)


def test_what_is_seen_lies_on_its_epipolar_line_in_front_of_both_cameras():
    geometry = _geometry(40, torch.Generator().manual_seed(0))
    ones = torch.ones(40, geometry.seen.shape[1], 1)
    x1, x2 = (torch.cat((x, ones), -1) for x in (geometry.points1, geometry.points2))
    turned = x1 @ geometry.R_2_1.mT
    t = geometry.direction[:, None].expand_as(turned)
    # x2 z2 = R x1 z1 + t: z1 and z2 follow from cross products, and both must be positive.
    side = torch.linalg.cross(x2, t, dim=-1)
    other = torch.linalg.cross(turned, x2, dim=-1)
    off = (torch.linalg.cross(turned, t, dim=-1) * x2).sum(-1)
    assert off[geometry.seen].abs().max() < 1e-4
    z1 = (side * other).sum(-1) / other.square().sum(-1).clamp(min=1e-12)
    clear = geometry.seen & (other.norm(dim=-1) > 1e-3)
    assert clear.float().mean() > 0.2
    assert (z1[clear] > 0).all()


def test_observations_agree_with_the_pose():
    batch = next(batches())
    assert batch.rays1.shape == batch.rays2.shape == (16, 128, 3)
    T = batch.T_2_1
    torch.testing.assert_close(T @ inverse(T), torch.eye(4).expand(16, 4, 4), atol=1e-5, rtol=0)
    plane = torch.linalg.cross(batch.rays1 @ T[:, :3, :3].mT, T[:, None, :3, 3].expand(16, 128, 3))
    plane = torch.nn.functional.normalize(plane, dim=-1)
    off = (plane * batch.rays2).sum(-1).abs().rad2deg()
    sure = batch.features[..., 0] > 0.75
    assert off[sure].median() < 0.5  # a pixel is a quarter of a degree
    assert off[~sure].mean() > 2 * off[sure].mean()


def test_a_batch_is_a_function_of_seed_and_step():
    run = batches()
    steps = [next(run) for _ in range(REUSE + 1)]
    resumed = next(batches(start=REUSE))
    assert torch.equal(resumed.rays2, steps[REUSE].rays2)
    assert not torch.equal(steps[0].rays2, steps[1].rays2)  # other observations
    assert not torch.equal(next(batches(seed=1)).rays2, steps[0].rays2)


def test_processes_share_a_batch():
    whole = next(batches())
    for rank in (0, 1):
        part = next(batches(share=Share(rank, 2)))
        assert torch.equal(part.rays2, whole.rays2[rank::2])
        assert torch.equal(part.T_2_1, whole.T_2_1[rank::2])


def test_a_batch_is_on_the_device_of_training():
    batch = next(batches(device=torch.device("meta")))
    assert {x.device.type for x in vars(batch).values()} == {"meta"}


@torch.no_grad()
def test_the_head_that_ships_reads_poses_off_them():
    head = load_weights("tiny")[0].pose_head
    errors = []
    for batch, _ in zip(batches(seed=7), range(8), strict=False):
        raw = head.answer(Side(batch.rays1, batch.rays2, batch.features)).rounds[-1]
        errors.append(torch.stack(pose_errors(pose_from_raw(raw), batch.T_2_1)))
    rotation, direction = torch.cat(errors, 1).rad2deg().median(1).values
    assert rotation < 4  # from 14 degrees without any idea
    assert direction < 20  # from 90


def test_a_fresh_head_learns_a_batch_of_matches_by_heart():
    torch.manual_seed(0)
    head, batch = MatchPoseHead(8), next(batches())
    side = Side(batch.rays1, batch.rays2, batch.features)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-3)

    def regressed():
        """Rotation and direction errors of what is regressed, before anything settles."""
        rounds = head.answer(side).rounds[[0, 2, 3]]
        return torch.stack(
            [torch.stack(pose_errors(pose_from_raw(raw), batch.T_2_1)) for raw in rounds]
        ).mean()

    before = regressed().detach()
    for _ in range(60):
        optimizer.zero_grad()
        regressed().backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
    assert regressed() < 0.6 * before


def test_the_pose_of_both_sides_teaches_how_much_matches_count():
    torch.manual_seed(0)
    head, batch = MatchPoseHead(8), next(batches())
    side = Side(batch.rays1, batch.rays2, batch.features)
    raw, _ = head(side, side._replace(here=batch.rays2, there=batch.rays1))
    torch.stack(pose_errors(pose_from_raw(raw[-1]), batch.T_2_1)).sum().backward()
    slope = head.settling.sure.weight.grad
    assert slope.isfinite().all()
    assert slope.abs().max() > 0
