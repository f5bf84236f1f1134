# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one camera ray sees: textures, light and shadow, as scalar functions.

``renderer.py`` calls :func:`trace` for each pixel, from a loop on the CPU or from a CUDA kernel;
nothing here knows which.

Light is linear; textures are stored as its square root, which is near to sRGB and cheap to undo.
"""

import math

import numpy as np

from geloc3r_training.data.raycast import (
    CYLINDER,
    FAR,
    HALF,
    INDEX,
    NEAR,
    OFF_SURFACE,
    ONE,
    SPHERE,
    TWO,
    ZERO,
    along,
    compiled,
    dot,
    inlined,
    nearest,
    to_local,
    to_world,
    unit,
)

__all__ = ["trace"]

HORIZON = np.float32(0.65)  # where it stands in a backdrop, from its upper edge
LEAST_COSINE = np.float32(0.1)  # bounds the blur of textures seen at grazing angles
PER_TURN = np.float32(0.5 / math.pi)
FOUR = np.float32(4)


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
def _surface(kind, half, p):
    """Outward gradient in the unit frame, texture axes and metric texture coordinates at ``p``."""
    x, y, z = abs(p[0]), abs(p[1]), abs(p[2])
    if kind == CYLINDER and x * x + y * y > z * z:
        around = np.float32(math.atan2(p[1], p[0])) * half[0]
        return (p[0], p[1], ZERO), 0, 2, around, -p[2] * half[2]
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
        return gradient, 0, 1, p[0] * half[0], p[1] * half[1]
    if face == 1:
        return gradient, 0, 2, p[0] * half[0], -p[2] * half[2]
    return gradient, 1, 2, p[1] * half[1], -p[2] * half[2]


@compiled
def _mix(array, row, low, high, w):
    """Blend two colours that stand in a row at the columns ``low`` and ``high``."""
    return (
        array[row, low] + w * (array[row, high] - array[row, low]),
        array[row, low + 1] + w * (array[row, high + 1] - array[row, low + 1]),
        array[row, low + 2] + w * (array[row, high + 2] - array[row, low + 2]),
    )


@inlined
def _sky(buffers, scene, d, footprint):
    """Linear colour from infinitely far away in the direction ``d``."""
    x, y, z = unit(d)
    r, g, b = _mix(buffers.air, scene, 3, 0, math.sqrt(min(max(z, ZERO), ONE)))
    backdrop = buffers.backdrop[scene]
    if backdrop >= 0:
        azimuth = np.float32(math.atan2(y, x)) * PER_TURN * FOUR
        elevation = np.float32(math.asin(min(max(z, -ONE), ONE))) * PER_TURN * FOUR
        sr, sg, sb = _texture(
            buffers.texels,
            buffers.level_start,
            backdrop,
            azimuth,
            HORIZON - elevation,
            footprint * PER_TURN * FOUR,
        )
        r, g, b = r * sr * TWO, g * sg * TWO, b * sb * TWO
    return r, g, b


@compiled
def _towards(lights, scene, k, p):
    """Unit direction to a light, distance, and how strong it is at ``p``."""
    place = lights[scene, k, 0], lights[scene, k, 1], lights[scene, k, 2]
    if lights[scene, k, 6] > ZERO:
        to_light = along(place, -ONE, p)
        distance = math.sqrt(dot(to_light, to_light))
        return unit(to_light), distance, ONE / (ONE + distance * distance)
    return place, FAR, ONE


@inlined
def _shadowed(buffers, scene, p, to_light, distance):
    """Whether anything stands between a point and a light."""
    blocker, _ = nearest(
        buffers.first_node[scene],
        buffers.first_node[scene + 1],
        buffers.bounds,
        buffers.skip,
        buffers.leaf,
        buffers.kind,
        buffers.local_world,
        p,
        to_light,
        ZERO,
        distance,
        -1,
        True,
    )
    return blocker >= 0


@inlined
def _light(buffers, scene, p, normal, back):
    """Light that falls on a point: red, green, blue, the highlight, and which lights are hidden.

    Blinn's highlight to the power of 24; bit k of the last result says that light k is in shadow.
    """
    scene = INDEX(scene)
    r, g, b = _mix(buffers.air, scene, 9, 6, HALF + HALF * normal[2])
    highlight, hidden = ZERO, 0
    lights = buffers.lights
    for k in range(2):
        if lights[scene, k, 4] <= ZERO:
            continue
        to_light, distance, strength = _towards(lights, scene, k, p)
        facing = dot(normal, to_light)
        if facing <= ZERO:
            continue
        if _shadowed(buffers, scene, p, to_light, distance):
            hidden += 1 + k
            continue
        strength = strength * facing
        r += strength * lights[scene, k, 3]
        g += strength * lights[scene, k, 4]
        b += strength * lights[scene, k, 5]
        polish = max(dot(normal, unit(along(back, ONE, to_light))), ZERO)
        polish = polish * polish * polish
        polish = polish * polish
        polish = polish * polish
        highlight += strength * lights[scene, k, 4] * polish * polish
    return r, g, b, highlight, hidden


@inlined
def _shade(buffers, scene, o, d, hit, t, pixel_angle):
    """Colour and key of the surface of primitive ``hit`` that a camera ray meets at ``t``."""
    half_size, local_world = buffers.half_size, buffers.local_world
    o_local, d_local = to_local(local_world, hit, o, d)
    hit = INDEX(hit)
    half = half_size[hit, 0], half_size[hit, 1], half_size[hit, 2]
    p_local = along(o_local, t, d_local)
    gradient, i, j, a, b = _surface(buffers.kind[hit], half, p_local)
    normal = to_world(local_world, hit, gradient)
    back = unit((-d[0], -d[1], -d[2]))
    cosine = dot(normal, back)
    if cosine < ZERO:
        normal, cosine = (-normal[0], -normal[1], -normal[2]), -cosine
    tiling, offset, tint, air = buffers.tiling, buffers.offset, buffers.tint, buffers.air
    footprint = t * pixel_angle * max(tiling[hit, i], tiling[hit, j])
    red, green, blue = _texture(
        buffers.texels,
        buffers.level_start,
        buffers.texture[hit],
        a * tiling[hit, i] + offset[hit, i],
        b * tiling[hit, j] + offset[hit, j],
        footprint / math.sqrt(max(cosine, LEAST_COSINE)),
    )
    p = along(along(o, t, d), OFF_SURFACE, normal)
    lr, lg, lb, highlight, hidden = _light(buffers, scene, p, normal, back)
    highlight = highlight * buffers.gloss[hit]
    clear = math.exp(-air[scene, 12] * t) if air[scene, 12] > ZERO else ONE
    return (
        air[scene, 3] + clear * (red * tint[hit, 0] * lr + highlight - air[scene, 3]),
        air[scene, 4] + clear * (green * tint[hit, 1] * lg + highlight - air[scene, 4]),
        air[scene, 5] + clear * (blue * tint[hit, 2] * lb + highlight - air[scene, 5]),
        hit * 16 + i * 4 + hidden,
    )


@compiled
def trace(buffers, scene, o, d, pixel_angle, guess):
    """Colour, depth and a key of what is seen, for one camera ray.

    Args:
        buffers: ``raycast.Buffers``.
        scene: which of its scenes.
        o: centre of the camera, world, metres.
        d: direction in the world, of length 1 / (cosine to the optical axis): z = 1 in the camera.
        pixel_angle: 1 / focal length in pixels.
        guess: the primitive that is likely seen, or -1.

    Returns:
        Linear red, green and blue; depth z in metres, 0 at the sky; a key that differs where the
        primitive, its face or its shadow does, for finding edges: the primitive is key >> 4.
    """
    hit, t = nearest(
        buffers.first_node[scene],
        buffers.first_node[scene + 1],
        buffers.bounds,
        buffers.skip,
        buffers.leaf,
        buffers.kind,
        buffers.local_world,
        o,
        d,
        NEAR,
        FAR,
        guess,
        False,
    )
    if hit < 0:
        r, g, b = _sky(buffers, scene, d, pixel_angle)
        return r, g, b, ZERO, -1
    r, g, b, key = _shade(buffers, scene, o, d, hit, t, pixel_angle)
    return r, g, b, t, key
