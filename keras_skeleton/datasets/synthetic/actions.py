"""What the synthetic figure can do."""

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets.synthetic import figure
from keras_skeleton.datasets.synthetic.figure import blend
from keras_skeleton.datasets.synthetic.figure import ease

FRAMES_PER_SECOND = 30.0
MIRROR = list(skeletons.get("ntu").mirror_permutation)

# Hand positions relative to the shoulder (outwards, upwards, forwards) in
# lengths of the straight arm.
HANGING = np.array([0.14, -0.95, 0.08])
GUARD = np.array([-0.1, -0.15, 0.4])
ON_HIP = np.array([0.25, -0.6, -0.05])
MOUTH = np.array([-0.2, 0.22, 0.28])
EAR = np.array([0.02, 0.3, 0.06])
ON_THIGHS = np.array([-0.05, -0.6, 0.45])


def _hold(progress, ramp=0.2):
    """Rises to 1, stays there and falls back over `progress` 0 to 1."""
    return ease(progress / ramp) * ease((1.0 - progress) / ramp)


def _path(progress, *stations):
    """Moves smoothly through `(progress, value)` stations."""
    times = np.array([time for time, _ in stations], "float64")
    values = np.array([value for _, value in stations], "float64")
    step = np.searchsorted(times, progress, side="right") - 1
    step = np.clip(step, 0, len(times) - 2)
    share = ease((progress - times[step]) / (times[step + 1] - times[step]))
    if values.ndim == 2:
        share = share[:, None]
    return values[step] + (values[step + 1] - values[step]) * share


def _oscillate(vector, phase):
    return np.asarray(vector) * np.sin(2 * np.pi * phase)[:, None]


class _Controls:
    """What an action moves, one row per frame, starting from standing still.

    Hands are relative to the shoulder in arm lengths, feet to their place on
    the ground in leg lengths, both as (outwards, upwards, forwards). `drop`,
    `shift` and `lift` move the pelvis down, forwards and the whole figure up,
    and `travel` is the way gone, in leg lengths; `pitch`, `twist` and `lean`
    turn the trunk (radians).
    `right` is the side of the leading hand.
    """

    def __init__(self, size, right, left):
        self.right_hand = right
        self.left_hand = left
        self.right_foot = np.zeros((size, 3))
        self.left_foot = np.zeros((size, 3))
        for name in (
            "drop",
            "shift",
            "lift",
            "pitch",
            "twist",
            "lean",
            "travel",
        ):
            setattr(self, name, np.zeros(size))


def _wave_one_hand(body, progress, cycles, reach):
    raised = np.array([0.35, 0.55, 0.3])
    swing = _oscillate([0.3, 0.0, 0.0], cycles) * reach[:, None]
    body.right_hand = blend(body.right_hand, raised + swing, _hold(progress))


def _wave_both_hands(body, progress, cycles, reach):
    raised = np.array([0.35, 0.72, 0.15])
    swing = _oscillate([0.3, 0.05, 0.0], cycles) * reach[:, None]
    share = _hold(progress)
    body.right_hand = blend(body.right_hand, raised + swing, share)
    body.left_hand = blend(body.left_hand, raised + swing, share)


def _clap(body, progress, cycles, reach):
    apart = (0.5 - 0.5 * np.cos(2 * np.pi * 1.5 * cycles)) * reach
    hands = np.array([-0.28, -0.2, 0.5]) + apart[:, None] * [0.35, 0.0, 0.0]
    share = _hold(progress)
    body.right_hand = blend(body.right_hand, hands, share)
    body.left_hand = blend(body.left_hand, hands, share)


def _punch(body, progress, cycles, reach):
    hit = _path(cycles % 1.0, (0, 0), (0.35, 0), (0.55, 1), (0.8, 0), (1, 0))
    target = np.array([-0.25, 0.0, 0.6]) + reach[:, None] * [0.0, 0.0, 0.3]
    share = _hold(progress)
    hit = hit * share
    guard = blend(body.right_hand, GUARD, share)
    body.right_hand = blend(guard, target, hit)
    body.left_hand = blend(body.left_hand, GUARD, share)
    body.twist += 0.5 * hit - 0.15 * share
    body.shift += 0.08 * hit


def _throw(body, progress, cycles, reach):
    path = _path(
        progress,
        (0.0, HANGING),
        (0.4, (0.35, 0.5, -0.35)),
        (0.6, (0.05, 0.6, 0.65)),
        (0.75, (-0.4, -0.35, 0.6)),
        (1.0, HANGING),
    )
    body.right_hand = blend(body.right_hand, path, _hold(progress, 0.15))
    body.twist += reach * _path(
        progress, (0, 0), (0.4, -0.5), (0.7, 0.6), (1, 0)
    )
    body.pitch += _path(progress, (0, 0), (0.4, -0.1), (0.7, 0.3), (1, 0))
    body.left_foot += _path(
        progress,
        (0, (0, 0, 0)),
        (0.3, (0, 0.08, 0.1)),
        (0.45, (0, 0, 0.25)),
        (0.8, (0, 0, 0.25)),
        (0.9, (0, 0.06, 0.1)),
        (1, (0, 0, 0)),
    )
    body.shift += _path(progress, (0, 0), (0.5, 0.12), (0.8, 0.12), (1, 0))
    body.drop += 0.06 * _hold(progress, 0.4)


def _kick(body, progress, cycles, reach):
    path = _path(
        progress,
        (0.0, (0, 0, 0)),
        (0.3, (0, 0.15, -0.3)),
        (0.55, (-0.05, 0.4, 0.8)),
        (0.8, (0, 0.1, 0.1)),
        (1.0, (0, 0, 0)),
    )
    body.right_foot += path * reach[:, None]
    kick = _path(progress, (0, 0), (0.3, -0.4), (0.55, 1), (1, 0))
    body.pitch -= 0.15 * kick
    body.lean -= 0.08 * np.abs(kick)
    body.left_hand = blend(body.left_hand, (0.6, -0.5, 0.4), np.abs(kick))
    body.right_hand = blend(body.right_hand, (0.5, -0.7, -0.3), np.abs(kick))


def _jump(body, progress, cycles, reach):
    crouch = _path(
        progress,
        *[(0, 0), (0.3, 1), (0.42, 0), (0.62, 0), (0.75, 0.8), (1, 0)],
    )
    # Free flight between the moments at which the legs are straight.
    flight = np.clip((progress - 0.4) / 0.24, 0.0, 1.0)
    body.lift += (0.12 + 0.2 * reach) * 4.0 * flight * (1.0 - flight)
    body.drop += 0.25 * crouch
    body.pitch += 0.35 * crouch
    arms = _path(
        progress,
        (0.0, HANGING),
        (0.28, (0.2, -0.75, -0.5)),
        (0.5, (0.2, 0.1, 0.8)),
        (0.8, (0.3, -0.7, 0.3)),
        (1.0, HANGING),
    )
    share = _hold(progress, 0.15) * np.minimum(reach, 1.0)
    body.right_hand = blend(body.right_hand, arms, share)
    body.left_hand = blend(body.left_hand, arms, share)


def _squat(body, progress, cycles, reach):
    depth = _path(progress, (0, 0), (0.45, 1), (0.6, 1), (1, 0))
    body.drop += 0.5 * depth * reach
    body.shift -= 0.18 * depth * reach
    body.pitch += 0.55 * depth * reach
    share = depth * np.clip(2.0 * reach - 1.0, 0.0, 1.0)
    body.right_hand = blend(body.right_hand, (0.0, 0.1, 0.85), share)
    body.left_hand = blend(body.left_hand, (0.0, 0.1, 0.85), share)


def _bow(body, progress, cycles, reach):
    depth = _path(progress, (0, 0), (0.4, 1), (0.6, 1), (1, 0))
    body.pitch += 1.0 * depth * reach
    body.shift -= 0.1 * depth * reach
    body.drop += 0.02 * depth


def _sit_down(body, progress, cycles, reach):
    seated = _path(progress, (0, 0), (0.15, 0), (0.75, 1), (1, 1))
    body.drop += 0.45 * seated
    body.shift -= 0.42 * seated
    body.pitch += 0.5 * reach * 4.0 * seated * (1.0 - seated)
    body.right_hand = blend(body.right_hand, ON_THIGHS, seated)
    body.left_hand = blend(body.left_hand, ON_THIGHS, seated)


def _stand_up(body, progress, cycles, reach):
    _sit_down(body, 1.0 - progress, cycles, reach)


def _walk(body, progress, cycles, reach):
    stride = 0.55 * reach
    for foot, other, phase in [
        (body.right_foot, body.left_hand, cycles % 1.0),
        (body.left_foot, body.right_hand, (cycles + 0.5) % 1.0),
    ]:
        stands = phase < 0.6
        share = np.where(stands, phase / 0.6, (phase - 0.6) / 0.4)
        swing = np.where(stands, 0.5 - share, ease(share) - 0.5)
        foot[:, 2] += stride * swing
        foot[:, 1] += np.where(stands, 0.0, 0.16 * np.sin(np.pi * share))
        other += (0.8 * stride * swing)[:, None] * [0.0, 0.0, 1.0]
        other += [0.0, 0.08, 0.0]
    body.drop += 0.03 + 0.012 * np.cos(4 * np.pi * cycles)
    body.twist += 0.15 * np.sin(2 * np.pi * cycles)
    # Moving the ground under the feet keeps the standing foot in its place.
    body.travel += stride * cycles / 0.6


def _drink(body, progress, cycles, reach):
    path = _path(
        progress,
        (0.0, HANGING),
        (0.2, (-0.05, -0.45, 0.5)),
        (0.45, MOUTH),
        (0.65, MOUTH),
        (0.85, (-0.05, -0.45, 0.5)),
        (1.0, HANGING),
    )
    body.right_hand = blend(body.right_hand, path, _hold(progress))
    body.pitch -= 0.12 * reach * _hold(2.0 * np.clip(progress - 0.3, 0, 0.5))


def _make_phone_call(body, progress, cycles, reach):
    body.right_hand = blend(body.right_hand, EAR, _hold(progress))
    body.lean += 0.06 * reach * _hold(progress)


def _pick_up(body, progress, cycles, reach):
    depth = _path(progress, (0, 0), (0.4, 1), (0.55, 1), (1, 0))
    knees = np.clip(1.6 - reach, 0.2, 0.9) * depth
    body.drop += 0.55 * knees
    body.shift -= 0.15 * depth
    body.pitch += 1.45 * depth - 0.6 * knees
    body.right_hand = blend(body.right_hand, (-0.05, -0.85, 0.55), depth)
    lifted = _path(progress, (0.5, 0), (0.9, 1), (0.95, 1), (1.0, 0.6))
    body.right_hand = blend(body.right_hand, (0.0, -0.5, 0.4), 0.7 * lifted)


ACTIONS = {
    "wave one hand": _wave_one_hand,
    "wave both hands": _wave_both_hands,
    "clap": _clap,
    "punch": _punch,
    "throw": _throw,
    "drink": _drink,
    "make a phone call": _make_phone_call,
    "kick": _kick,
    "jump": _jump,
    "squat": _squat,
    "bow": _bow,
    "pick up": _pick_up,
    "sit down": _sit_down,
    "stand up": _stand_up,
    "walk": _walk,
}


def perform(action, lengths, draws, people):
    """Performs one action several times.

    Args:
        action: string, one of `ACTIONS`.
        lengths: integer array `(clips,)`, frames of each performance.
        draws: array `(clips, 26)` of uniform draws from [0, 1).
        people: dictionary of arrays `(clips,)` with the body measures and
            the style of who performs, as `draw_people` makes them.

    Returns:
        float64 array `(total frames, 25, 3)` in metres: x to the scene's
        right, y up from the ground, the front of the scene at negative z.
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    frame = np.arange(len(owner)) - starts[owner]
    share = frame / np.maximum(lengths - 1, 1)[owner]
    seconds = frame / FRAMES_PER_SECOND
    people = {key: value[owner] for key, value in people.items()}
    draws = draws[owner].T
    # Some clips begin before the action does, others cut off its end.
    progress = (share + 0.25 - 0.5 * draws[0]) / (0.65 + 0.6 * draws[1])
    progress = np.clip(progress, 0.0, 1.0)
    cycles = draws[2] + seconds * people["speed"] * (0.7 + 0.6 * draws[3])
    reach = people["reach"] * (0.75 + 0.5 * draws[4])

    sway = people["sway"] * np.sin(2 * np.pi * (0.3 * seconds + draws[5]))
    right = blend(HANGING, ON_HIP, draws[6] ** 3)
    left = blend(HANGING, ON_HIP, draws[7] ** 3)
    right = right + sway[:, None] * [0.02, 0.0, 0.05]
    left = left + sway[:, None] * [0.02, 0.0, 0.05]
    # A free hand may do something else meanwhile, such as scratch.
    place = np.array([-0.4, -0.5, 0.1]) + draws[11:14].T * [0.9, 1.2, 0.6]
    moment = _hold((share - 0.7 * draws[14]) / 0.3, 0.4)
    left = blend(left, place, moment * (draws[15] < 0.4))
    right = blend(right, place, moment * (draws[15] > 0.75))
    body = _Controls(len(owner), right, left)
    body.pitch += people["slouch"] + 0.03 * sway
    body.twist += 0.05 * sway + 0.4 * (draws[16] - 0.5)
    body.lean += 0.02 * sway + 0.12 * (draws[17] - 0.5)
    ACTIONS[action](body, progress, cycles, reach)
    # Nobody reaches the same place twice.
    activity = _hold(progress)[:, None]
    body.right_hand = body.right_hand + 0.25 * activity * (draws[18:21].T - 0.5)
    body.left_hand = body.left_hand + 0.25 * activity * (draws[21:24].T - 0.5)
    joints = figure.pose(body, people)

    mirrored = joints[:, MIRROR] * [-1.0, 1.0, 1.0]
    other_side = people["left_handed"] ^ (draws[24] < 0.15)
    joints = np.where(other_side[:, None, None], mirrored, joints)
    # Whoever travels crosses the middle of the scene.
    middle = (starts + lengths // 2)[owner]
    travel = body.travel - body.travel[middle]
    joints[..., 2] -= (travel * figure.leg_length(people))[:, None]
    heading = np.deg2rad(80.0) * (draws[8] - 0.5)
    if action == "walk":
        # Walkers come from anywhere, others turn a little while they act.
        heading = heading * 2.0
    else:
        heading = heading + np.deg2rad(60.0) * (draws[25] - 0.5) * share
    joints = joints @ figure.rotation(1, heading)
    joints[..., 0] += 0.8 * (draws[9] - 0.5)[:, None]
    joints[..., 2] += 0.8 * (draws[10] - 0.5)[:, None]
    return joints
