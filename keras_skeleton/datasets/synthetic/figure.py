"""The body of the synthetic figure: measures, posture, joint positions."""

import numpy as np

# In the order of the Kinect v2 layout.
(
    PELVIS,
    SPINE,
    NECK,
    HEAD,
    LEFT_SHOULDER,
    LEFT_ELBOW,
    LEFT_WRIST,
    LEFT_HAND,
    RIGHT_SHOULDER,
    RIGHT_ELBOW,
    RIGHT_WRIST,
    RIGHT_HAND,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_ANKLE,
    LEFT_FOOT,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_ANKLE,
    RIGHT_FOOT,
    CHEST,
    LEFT_FINGERS,
    LEFT_THUMB,
    RIGHT_FINGERS,
    RIGHT_THUMB,
) = range(25)

# Body measures as shares of the height.
TRUNK = {SPINE: 0.155, CHEST: 0.125, NECK: 0.04, HEAD: 0.075}
HIP_DROP, HIP_WIDTH = 0.02, 0.05
SHOULDER_DROP, SHOULDER_WIDTH = 0.025, 0.1
UPPER_ARM, FOREARM, HAND, FINGERS = 0.16, 0.145, 0.04, 0.04
THIGH, SHANK, ANKLE_HEIGHT, FOOT = 0.245, 0.246, 0.04, 0.075


def ease(share):
    """Rises smoothly from 0 to 1 while `share` does."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def blend(start, end, share):
    return start + (np.asarray(end) - start) * share[:, None]


def draw_people(number, generator):
    """Draws body measures and style of `number` people."""
    draws = generator.random((number, 12)).T
    ranges = {
        "height": (1.52, 1.92),
        "trunk": (0.93, 1.07),
        "legs": (0.93, 1.07),
        "arms": (0.92, 1.08),
        "width": (0.85, 1.15),
        "stance": (0.9, 2.4),
        "slouch": (-0.03, 0.16),
        "speed": (0.75, 1.3),
        "reach": (0.7, 1.1),
        "sway": (0.3, 1.0),
        "elbows": (0.3, 1.2),
    }
    people = {
        name: low + (high - low) * draw
        for (name, (low, high)), draw in zip(
            ranges.items(), draws[:11], strict=True
        )
    }
    people["left_handed"] = draws[11] < 0.2
    return people


def leg_length(people):
    return (THIGH + SHANK) * people["height"] * people["legs"]


def rotation(axis, angle):
    """Matrices `(..., 3, 3)` that turn column vectors about an axis."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., second, first] = sine
    matrix[..., first, second] = -sine
    return matrix


def _trunk_rotation(twist, pitch, lean):
    return rotation(1, twist) @ rotation(0, -pitch) @ rotation(2, -lean)


def _turn(matrix, vector):
    return np.einsum("fij,fj->fi", matrix, vector)


def _unit(vector):
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.maximum(norm, 1e-9)


def _sided(side, vector):
    """(outwards, upwards, forwards) to x, y, z for side 1 right, -1 left."""
    return np.asarray(vector) * [side, 1.0, -1.0]


def _bend(start, target, upper, lower, direction):
    """Two bones from `start` towards `target`, bent towards `direction`."""
    along = target - start
    longest = 0.998 * (upper + lower)
    distance = np.clip(
        np.linalg.norm(along, axis=-1), 1.05 * np.abs(upper - lower), longest
    )
    along = _unit(along)
    share = (upper**2 - lower**2 + distance**2) / (2.0 * distance)
    away = np.sqrt(np.maximum(upper**2 - share**2, 0.0))
    aside = direction - np.sum(direction * along, -1, keepdims=True) * along
    middle = start + share[:, None] * along + away[:, None] * _unit(aside)
    return middle, start + distance[:, None] * along


def pose(body, people):
    """Joint positions `(frames, 25, 3)` for the controls."""
    size = people["height"]
    leg = leg_length(people)
    arm = (UPPER_ARM + FOREARM) * size * people["arms"]
    joints = np.zeros((len(size), 25, 3))

    hip = HIP_WIDTH * size * people["width"]
    foot = hip * people["stance"]
    height = np.sqrt((0.985 * leg) ** 2 - (foot - hip) ** 2)
    height += (ANKLE_HEIGHT + HIP_DROP) * size + (body.lift - body.drop) * leg
    pelvis = np.stack([0 * size, height, -body.shift * leg], axis=-1)
    joints[:, PELVIS] = pelvis

    # The lower back follows the hips more than the shoulders do.
    lower = _trunk_rotation(0.3 * body.twist, 0.8 * body.pitch, body.lean)
    upper = _trunk_rotation(body.twist, body.pitch, body.lean)
    place = pelvis
    for joint, matrix in [
        (SPINE, lower),
        (CHEST, upper),
        (NECK, upper),
        (HEAD, upper),
    ]:
        length = TRUNK[joint] * size * people["trunk"]
        place = place + matrix[:, :, 1] * length[:, None]
        joints[:, joint] = place

    # Arms hang halfway between along the trunk and straight down.
    arms = _trunk_rotation(body.twist, 0.5 * body.pitch, body.lean)
    width = SHOULDER_WIDTH * size * people["width"]
    zeros = np.zeros_like(size)
    for side, first_arm, first_leg, fingers, hand, step in [
        (
            1,
            RIGHT_SHOULDER,
            RIGHT_HIP,
            RIGHT_FINGERS,
            body.right_hand,
            body.right_foot,
        ),
        (
            -1,
            LEFT_SHOULDER,
            LEFT_HIP,
            LEFT_FINGERS,
            body.left_hand,
            body.left_foot,
        ),
    ]:
        offset = np.stack([side * width, -SHOULDER_DROP * size, zeros], -1)
        shoulder = joints[:, CHEST] + _turn(upper, offset)
        bend = np.stack([people["elbows"], zeros - 0.6, zeros - 0.5], -1)
        elbow, wrist = _bend(
            shoulder,
            shoulder + _turn(arms, _sided(side, hand)) * arm[:, None],
            UPPER_ARM * size * people["arms"],
            FOREARM * size * people["arms"],
            _turn(arms, _sided(side, bend)),
        )
        along = _unit(wrist - elbow) * size[:, None]
        palm = wrist + HAND * along
        inwards = _turn(
            arms, np.tile([-side * 0.02, 0.0, -0.02], (len(size), 1))
        )
        joints[:, first_arm : first_arm + 4] = np.stack(
            [shoulder, elbow, wrist, palm], axis=1
        )
        joints[:, fingers] = palm + FINGERS * along
        joints[:, fingers + 1] = (
            palm + 0.3 * FINGERS * along + inwards * size[:, None]
        )

        offset = np.stack([side * hip, -HIP_DROP * size, zeros], -1)
        base = np.stack([foot, ANKLE_HEIGHT * size, zeros], -1)
        target = _sided(side, base + step * leg[:, None])
        target[:, 1] += body.lift * leg
        knee, ankle = _bend(
            pelvis + offset,
            target,
            THIGH * size * people["legs"],
            SHANK * size * people["legs"],
            np.broadcast_to(_sided(side, [0.25, 0.0, 1.0]), pelvis.shape),
        )
        # A standing foot is flat, a lifted one is at right angles to the
        # shank.
        flat = np.broadcast_to(_sided(side, [0.15, -0.4, 1.0]), pelvis.shape)
        shank = _unit(ankle - knee)
        forward = np.array([0.0, 0.0, -1.0])
        raised = _unit(forward - (shank @ forward)[:, None] * shank)
        toes = blend(flat, raised + 0.4 * shank, ease(10.0 * step[:, 1]))
        joints[:, first_leg : first_leg + 4] = np.stack(
            [
                pelvis + offset,
                knee,
                ankle,
                ankle + _unit(toes) * (FOOT * size)[:, None],
            ],
            axis=1,
        )
    return joints
