# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where rays meet surfaces, as scalar functions that Numba compiles for the CPU and for CUDA.

Primitives are the box [-1, 1]^3, the cylinder of radius 1 about z and the sphere of radius 1, each
under an affine map. A ray maps into the primitive's own frame with its parameter t unchanged, and
as camera rays have z = 1 in the optical frame, **t is the depth z**. A bounding-volume tree in
depth-first order, each node with the index to go on with when it is missed, needs no stack.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["BOX", "CYLINDER", "SPHERE", "Buffers", "nearest"]

BOX, CYLINDER, SPHERE = 0, 1, 2

FAR = np.float32(1e9)
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
NEAR = np.float32(1e-3)
TINY = np.float32(1e-12)
INDEX = np.uint64  # of arrays: spares numba the test for negative ones
OFF_SURFACE = np.float32(2e-3)  # metres a shadow ray starts above its surface

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    "fastmath": {"contract", "arcp", "afn", "nsz"},
    "_nrt": False,  # nothing here allocates, and counting references would double the time
}
compiled = njit(**OPTIONS)
inlined = njit(forceinline=True, **OPTIONS)  # to hand all of Buffers on is slow


class Buffers(NamedTuple):
    """Scenes, one behind the other, as the arrays that the rays walk through.

    S scenes, P primitives, N = 2 P - S tree nodes, L textures of the same size.
    """

    first_node: Ints  # (S + 1,) where each scene's tree begins
    bounds: Floats  # (N, 6) low and high corner in the world, metres
    skip: Ints  # (N,) the node after this one's subtree
    leaf: Ints  # (N,) primitive, or -1 at an inner node
    kind: Ints  # (P,) BOX, CYLINDER or SPHERE
    local_world: Floats  # (P, 12) rows of the affine map from world metres to the unit shape
    half_size: Floats  # (P, 3) metres
    texture: Ints  # (P,)
    tiling: Floats  # (P, 3) copies of the texture per metre along the shape's axes
    offset: Floats  # (P, 3) of the texture coordinates
    tint: Floats  # (P, 3) multiplies the texture
    gloss: Floats  # (P,) strength of the highlight
    lights: Floats  # (S, 2, 7) position or direction to it, colour, 1 for a lamp or 0 for a sun
    air: Floats  # (S, 13) sky at zenith, at horizon, light from above, from below; haze per metre
    backdrop: Ints  # (S,) texture along the horizon, or -1
    texels: npt.NDArray[np.uint8]  # (L, texels of all levels, 3)
    level_start: Ints  # (levels + 1,) first texel of each level; level 0 is the largest


@compiled
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def along(o, t, d):
    return o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]


@compiled
def unit(a):
    s = ONE / max(math.sqrt(dot(a, a)), TINY)
    return a[0] * s, a[1] * s, a[2] * s


@compiled
def _inverse(d):
    return ONE / (d if abs(d) > TINY else TINY)


@compiled
def to_local(local_world, p, o, d):
    """Origin and direction of a ray in the frame of primitive ``p``."""
    p = INDEX(p)
    rx = local_world[p, 0], local_world[p, 1], local_world[p, 2]
    ry = local_world[p, 4], local_world[p, 5], local_world[p, 6]
    rz = local_world[p, 8], local_world[p, 9], local_world[p, 10]
    origin = (
        dot(rx, o) + local_world[p, 3],
        dot(ry, o) + local_world[p, 7],
        dot(rz, o) + local_world[p, 11],
    )
    return origin, (dot(rx, d), dot(ry, d), dot(rz, d))


@compiled
def to_world(local_world, p, gradient):
    """Unit normal in the world of a gradient in the frame of primitive ``p``."""
    p = INDEX(p)
    x, y, z = gradient
    return unit(
        (
            local_world[p, 0] * x + local_world[p, 4] * y + local_world[p, 8] * z,
            local_world[p, 1] * x + local_world[p, 5] * y + local_world[p, 9] * z,
            local_world[p, 2] * x + local_world[p, 6] * y + local_world[p, 10] * z,
        )
    )


@compiled
def _slab(o_over_d, inverse_d, low, high):
    """Where a line enters and leaves an interval."""
    a, b = low * inverse_d - o_over_d, high * inverse_d - o_over_d
    return min(a, b), max(a, b)


@compiled
def _box(o, d):
    """Where a line enters and leaves the box [-1, 1]^3; enter > leave: nowhere."""
    ix, iy, iz = _inverse(d[0]), _inverse(d[1]), _inverse(d[2])
    x0, x1 = _slab(o[0] * ix, ix, -ONE, ONE)
    y0, y1 = _slab(o[1] * iy, iy, -ONE, ONE)
    z0, z1 = _slab(o[2] * iz, iz, -ONE, ONE)
    return max(x0, max(y0, z0)), min(x1, min(y1, z1))


@compiled
def _round(a, b, c):
    """Where a t^2 + 2 b t + c <= 0."""
    discriminant = b * b - a * c
    if discriminant < ZERO:
        return FAR, -FAR
    root = math.sqrt(discriminant)
    scale = ONE / max(a, TINY)
    return (-b - root) * scale, (-b + root) * scale


@compiled
def _shape(kind, o, d):
    if kind == BOX:
        return _box(o, d)
    a = d[0] * d[0] + d[1] * d[1]
    b = o[0] * d[0] + o[1] * d[1]
    c = o[0] * o[0] + o[1] * o[1] - ONE
    if kind == SPHERE:
        return _round(a + d[2] * d[2], b + o[2] * d[2], c + o[2] * o[2])
    enter, leave = _round(a, b, c)
    iz = _inverse(d[2])
    z0, z1 = _slab(o[2] * iz, iz, -ONE, ONE)
    return max(enter, z0), min(leave, z1)


@compiled
def _entry(inverse_d, axis):
    """Column of a node's bounds at which a ray enters it along an axis."""
    return INDEX(axis if inverse_d > ZERO else axis + 3)


@compiled
def _hit(kind, local_world, primitive, o, d, t_min):
    """Where a ray first meets a primitive's surface after ``t_min``; FAR where it does not."""
    o_local, d_local = to_local(local_world, primitive, o, d)
    enter, leave = _shape(kind[INDEX(primitive)], o_local, d_local)
    t = enter if enter > t_min else leave
    return t if enter <= leave and t > t_min else FAR


@compiled
def nearest(node, end, bounds, skip, leaf, kind, local_world, o, d, t_min, t_max, guess, any_hit):
    """First primitive on a ray between ``t_min`` and ``t_max`` and its t; -1 where there is none.

    Walks the tree from ``node`` to ``end``. ``guess`` is the likely answer (or -1), tried first;
    with ``any_hit`` the first primitive that is found will do.
    """
    hit = -1
    if guess >= 0:
        t = _hit(kind, local_world, guess, o, d, t_min)
        if t < t_max:
            hit, t_max = guess, t
            if any_hit:
                return hit, t_max
    ix, iy, iz = _inverse(d[0]), _inverse(d[1]), _inverse(d[2])
    ox, oy, oz = o[0] * ix, o[1] * iy, o[2] * iz
    x_near, y_near, z_near = _entry(ix, 0), _entry(iy, 1), _entry(iz, 2)
    x_far, y_far, z_far = _entry(-ix, 0), _entry(-iy, 1), _entry(-iz, 2)
    node, end = INDEX(node), INDEX(end)
    while node < end:
        x0, x1 = bounds[node, x_near] * ix - ox, bounds[node, x_far] * ix - ox
        y0, y1 = bounds[node, y_near] * iy - oy, bounds[node, y_far] * iy - oy
        z0, z1 = bounds[node, z_near] * iz - oz, bounds[node, z_far] * iz - oz
        if max(max(x0, t_min), max(y0, z0)) > min(min(x1, t_max), min(y1, z1)):
            node = INDEX(skip[node])
            continue
        primitive = leaf[node]
        node += INDEX(1)
        if primitive >= 0 and primitive != guess:
            t = _hit(kind, local_world, primitive, o, d, t_min)
            if t < t_max:
                hit, t_max = primitive, t
                if any_hit:
                    break
    return hit, t_max
