# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one camera ray sees: the optics of the renderer, as scalar functions.

``renderer.py`` calls :func:`trace` for each pixel, from a loop on the CPU or from a CUDA kernel;
nothing here knows which. Numba compiles these functions for both.

Primitives are the box [-1, 1]^3, the cylinder of radius 1 about z and the sphere of radius 1, each
under an affine map. A ray maps into the primitive's own frame with its parameter t unchanged, and
as camera rays have z = 1 in the optical frame, **t is the depth z**. A bounding-volume tree in
depth-first order, each node with the index to go on with when it is missed, needs no stack.

Light is linear; textures are stored as its square root, which is near to sRGB and cheap to undo.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["BOX", "CYLINDER", "SPHERE", "Buffers", "nearest", "trace"]

BOX, CYLINDER, SPHERE = 0, 1, 2

INDEX = np.uint64  # of arrays: spares numba the test for negative ones
FAR = np.float32(1e9)
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
FOUR = np.float32(4)
NEAR = np.float32(1e-3)
HORIZON = np.float32(0.65)  # where it stands in a backdrop, from its upper edge
TINY = np.float32(1e-12)
OFF_SURFACE = np.float32(2e-3)  # metres a shadow ray starts above its surface
LEAST_COSINE = np.float32(0.1)  # bounds the blur of textures seen at grazing angles
PER_TURN = np.float32(0.5 / math.pi)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
    "fastmath": {"contract", "arcp", "afn", "nsz"},
    "_nrt": False,  # nothing here allocates, and counting references would double the time
}
compiled = njit(**OPTIONS)


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
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _along(o, t, d):
    return o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]


@compiled
def _unit(a):
    s = ONE / max(math.sqrt(_dot(a, a)), TINY)
    return a[0] * s, a[1] * s, a[2] * s


@compiled
def _inverse(d):
    return ONE / (d if abs(d) > TINY else TINY)


@compiled
def _to_local(local_world, p, o, d):
    """Origin and direction of a ray in the frame of primitive ``p``."""
    rx = local_world[p, 0], local_world[p, 1], local_world[p, 2]
    ry = local_world[p, 4], local_world[p, 5], local_world[p, 6]
    rz = local_world[p, 8], local_world[p, 9], local_world[p, 10]
    origin = (
        _dot(rx, o) + local_world[p, 3],
        _dot(ry, o) + local_world[p, 7],
        _dot(rz, o) + local_world[p, 11],
    )
    return origin, (_dot(rx, d), _dot(ry, d), _dot(rz, d))


@compiled
def _to_world(local_world, p, gradient):
    """Unit normal in the world of a gradient in the frame of primitive ``p``."""
    x, y, z = gradient
    return _unit(
        (
            local_world[p, 0] * x + local_world[p, 4] * y + local_world[p, 8] * z,
            local_world[p, 1] * x + local_world[p, 5] * y + local_world[p, 9] * z,
            local_world[p, 2] * x + local_world[p, 6] * y + local_world[p, 10] * z,
        )
    )


@compiled
def _slab(o, inverse_d, low, high):
    """Where a line enters and leaves an interval."""
    a, b = (low - o) * inverse_d, (high - o) * inverse_d
    return min(a, b), max(a, b)


@compiled
def _box(o, d):
    """Where a line enters and leaves the box [-1, 1]^3; enter > leave: nowhere."""
    x0, x1 = _slab(o[0], _inverse(d[0]), -ONE, ONE)
    y0, y1 = _slab(o[1], _inverse(d[1]), -ONE, ONE)
    z0, z1 = _slab(o[2], _inverse(d[2]), -ONE, ONE)
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
    z0, z1 = _slab(o[2], _inverse(d[2]), -ONE, ONE)
    return max(enter, z0), min(leave, z1)


@compiled
def _hit(kind, local_world, primitive, o, d, t_min):
    """Where a ray first meets a primitive's surface after ``t_min``; FAR where it does not."""
    o_local, d_local = _to_local(local_world, primitive, o, d)
    enter, leave = _shape(kind[primitive], o_local, d_local)
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
    while node < end:
        x0, x1 = _slab(o[0], ix, bounds[node, 0], bounds[node, 3])
        y0, y1 = _slab(o[1], iy, bounds[node, 1], bounds[node, 4])
        z0, z1 = _slab(o[2], iz, bounds[node, 2], bounds[node, 5])
        if max(max(x0, t_min), max(y0, z0)) > min(min(x1, t_max), min(y1, z1)):
            node = skip[node]
            continue
        primitive = leaf[node]
        node += 1
        if primitive >= 0 and primitive != guess:
            t = _hit(kind, local_world, primitive, o, d, t_min)
            if t < t_max:
                hit, t_max = primitive, t
                if any_hit:
                    break
    return hit, t_max


@compiled
def _mirrored(x):
    """Coordinate of a texture that repeats as in two facing mirrors, so without a seam."""
    return ONE - abs(x - TWO * np.float32(math.floor(x * HALF)) - ONE)


@compiled
def _blend(texels, texture, i, right, below, fx, fy, channel):
    a = np.float32(texels[texture, i, channel])
    b = np.float32(texels[texture, i + right, channel])
    c = np.float32(texels[texture, i + below, channel])
    d = np.float32(texels[texture, i + right + below, channel])
    top, bottom = a + fx * (b - a), c + fx * (d - c)
    return top + fy * (bottom - top)


@compiled
def _texel(texels, start, size, texture, u, v):
    """Bilinear sample of one level, as square root of linear light in [0, 255]."""
    x = min(max(u * np.float32(size) - HALF, ZERO), np.float32(size - 1))
    y = min(max(v * np.float32(size) - HALF, ZERO), np.float32(size - 1))
    x0, y0 = int(x), int(y)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    right = INDEX(1 if x0 + 1 < size else 0)
    below = INDEX(size if y0 + 1 < size else 0)
    i, texture = INDEX(start + y0 * size + x0), INDEX(texture)
    return (
        _blend(texels, texture, i, right, below, fx, fy, 0),
        _blend(texels, texture, i, right, below, fx, fy, 1),
        _blend(texels, texture, i, right, below, fx, fy, 2),
    )


@compiled
def _linear(s):
    """Linear light of a stored texture value."""
    x = s * np.float32(1 / 255)
    return x * x


@compiled
def _texture(texels, level_start, texture, u, v, footprint):
    """Linear colour averaged over about ``footprint`` copies of the texture (trilinear)."""
    u, v = _mirrored(u), _mirrored(v)
    top = level_start.size - 2
    size = 1 << top
    level = min(math.log2(max(footprint * np.float32(size), ONE)), np.float32(top))
    low = int(level)
    w = level - np.float32(low)
    r, g, b = _texel(texels, level_start[low], size >> low, texture, u, v)
    if w > ZERO:
        low += 1
        r1, g1, b1 = _texel(texels, level_start[low], size >> low, texture, u, v)
        r, g, b = r + w * (r1 - r), g + w * (g1 - g), b + w * (b1 - b)
    return _linear(r), _linear(g), _linear(b)


@compiled
def _surface(kind, hx, hy, hz, p):
    """Outward gradient in the unit frame, texture axes and metric texture coordinates at ``p``."""
    x, y, z = abs(p[0]), abs(p[1]), abs(p[2])
    if kind == CYLINDER and x * x + y * y > z * z:
        around = np.float32(math.atan2(p[1], p[0])) * hx
        return (p[0], p[1], ZERO), 0, 2, around, -p[2] * hz
    on_top = kind == CYLINDER or (z >= x and z >= y)
    face = 2 if on_top else int(x < y)
    if kind == SPHERE:
        gradient = p
    elif face == 2:
        gradient = ZERO, ZERO, p[2]
    elif face == 1:
        gradient = ZERO, p[1], ZERO
    else:
        gradient = p[0], ZERO, ZERO
    if face == 2:
        return gradient, 0, 1, p[0] * hx, p[1] * hy
    if face == 1:
        return gradient, 0, 2, p[0] * hx, -p[2] * hz
    return gradient, 1, 2, p[1] * hy, -p[2] * hz


@compiled
def _mix(array, row, low, high, w):
    """Blend two colours that stand in a row at the columns ``low`` and ``high``."""
    return (
        array[row, low] + w * (array[row, high] - array[row, low]),
        array[row, low + 1] + w * (array[row, high + 1] - array[row, low + 1]),
        array[row, low + 2] + w * (array[row, high + 2] - array[row, low + 2]),
    )


@compiled
def _sky(air, texels, level_start, scene, backdrop, d, footprint):
    """Linear colour from infinitely far away in the direction ``d``."""
    x, y, z = _unit(d)
    r, g, b = _mix(air, scene, 3, 0, math.sqrt(min(max(z, ZERO), ONE)))
    if backdrop >= 0:
        azimuth = np.float32(math.atan2(y, x)) * PER_TURN * FOUR
        elevation = np.float32(math.asin(min(max(z, -ONE), ONE))) * PER_TURN * FOUR
        wide = footprint * PER_TURN * FOUR
        sr, sg, sb = _texture(texels, level_start, backdrop, azimuth, HORIZON - elevation, wide)
        r, g, b = r * sr * TWO, g * sg * TWO, b * sb * TWO
    return r, g, b


@compiled
def _towards(lights, scene, k, p):
    """Unit direction to a light, distance, and how strong it is at ``p``."""
    place = lights[scene, k, 0], lights[scene, k, 1], lights[scene, k, 2]
    if lights[scene, k, 6] > ZERO:
        to_light = _along(place, -ONE, p)
        distance = math.sqrt(_dot(to_light, to_light))
        return _unit(to_light), distance, ONE / (ONE + distance * distance)
    return place, FAR, ONE


@compiled
def trace(buffers, scene, o, d, pixel_angle, guess):
    """Colour, depth and a key of what is seen, for one camera ray.

    Args:
        buffers: :class:`Buffers`.
        scene: which of its scenes.
        o: centre of the camera, world, metres.
        d: direction in the world, of length 1 / (cosine to the optical axis): z = 1 in the camera.
        pixel_angle: 1 / focal length in pixels.

    Returns:
        Linear red, green and blue; depth z in metres, 0 at the sky; a key that differs where the
        primitive, its face or its shadow does, for the search for edges.
    """
    node, end = buffers.first_node[scene], buffers.first_node[scene + 1]
    bounds, skip, leaf = buffers.bounds, buffers.skip, buffers.leaf
    kind, local_world = buffers.kind, buffers.local_world
    air, texels, level_start = buffers.air, buffers.texels, buffers.level_start
    hit, t = nearest(
        node, end, bounds, skip, leaf, kind, local_world, o, d, NEAR, FAR, guess, False
    )
    if hit < 0:
        r, g, b = _sky(air, texels, level_start, scene, buffers.backdrop[scene], d, pixel_angle)
        return r, g, b, ZERO, -1
    o_local, d_local = _to_local(local_world, hit, o, d)
    half_size = buffers.half_size
    gradient, i, j, a, b = _surface(
        kind[hit],
        half_size[hit, 0],
        half_size[hit, 1],
        half_size[hit, 2],
        _along(o_local, t, d_local),
    )
    normal = _to_world(local_world, hit, gradient)
    back = _unit((-d[0], -d[1], -d[2]))
    cosine = _dot(normal, back)
    if cosine < ZERO:
        normal, cosine = (-normal[0], -normal[1], -normal[2]), -cosine
    tiling, offset, tint = buffers.tiling, buffers.offset, buffers.tint
    footprint = t * pixel_angle * max(tiling[hit, i], tiling[hit, j])
    red, green, blue = _texture(
        texels,
        level_start,
        buffers.texture[hit],
        a * tiling[hit, i] + offset[hit, i],
        b * tiling[hit, j] + offset[hit, j],
        footprint / math.sqrt(max(cosine, LEAST_COSINE)),
    )
    lr, lg, lb = _mix(air, scene, 9, 6, HALF + HALF * normal[2])
    p = _along(_along(o, t, d), OFF_SURFACE, normal)
    shine, key = ZERO, hit * 16 + i * 4
    lights = buffers.lights
    for k in range(2):
        to_light, distance, strength = _towards(lights, scene, k, p)
        facing = _dot(normal, to_light)
        if facing <= ZERO or lights[scene, k, 4] <= ZERO:
            continue
        blocker, _ = nearest(
            node, end, bounds, skip, leaf, kind, local_world, p, to_light, ZERO, distance, -1, True
        )
        if blocker >= 0:
            key += 1 + k
            continue
        strength = strength * facing
        lr += strength * lights[scene, k, 3]
        lg += strength * lights[scene, k, 4]
        lb += strength * lights[scene, k, 5]
        polish = max(_dot(normal, _unit(_along(back, ONE, to_light))), ZERO)
        polish = polish * polish
        polish = polish * polish
        polish = polish * polish
        shine += strength * lights[scene, k, 4] * polish * polish * polish
    shine = shine * buffers.gloss[hit]
    clear = math.exp(-air[scene, 12] * t)
    return (
        air[scene, 3] + clear * (red * tint[hit, 0] * lr + shine - air[scene, 3]),
        air[scene, 4] + clear * (green * tint[hit, 1] * lg + shine - air[scene, 4]),
        air[scene, 5] + clear * (blue * tint[hit, 2] * lb + shine - air[scene, 5]),
        t,
        key,
    )
