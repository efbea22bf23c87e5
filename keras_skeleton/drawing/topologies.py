"""Figures of learned graphs and hyper-edges on the body (matplotlib)."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.drawing import canvas
from keras_skeleton.drawing import checks
from keras_skeleton.drawing import geometry
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE_COLORS = ("#c8433f", "#2b7bba", "#2f9e5b", "#d9820f", "#7b5ab0", "#a0663d")
BONE_COLOR = "#c3cad5"
OUTLINE = "#26303f"
SIGNED_COLOR_MAP = "RdBu_r"


def draw_topology(
    frame: ArrayLike,
    skeleton: SkeletonLike,
    graph: ArrayLike,
    *,
    joints=None,
    num_links=20,
    up="y",
    title=None,
    label="Weight",
) -> "Figure":
    """Draws a graph of the joints on the body, and as a matrix beside it.

    The strongest links are drawn as arcs, an arrow from sender to receiver
    (none where the graph is symmetric), in width and colour by their weight;
    the size of a joint is the weight of its link to itself. The body is seen
    from where it is widest. Virtual joints are diamonds beside it.

    Colours are scaled by the links between different joints; a link of a
    joint to itself may exceed them.

    Args:
        frame: Array `(M, V, C)` or `(V, C)` with 2 or 3 coordinates, the
            places of the joints. Absent persons (all zero) are left out.
        skeleton: A `Skeleton` or the name of a registered one.
        graph: Array `(V', V')`, or `(M, V', V')` with one graph per person:
            the weight at which the joint of the row receives from that of
            the column. Rows beyond the `joints` are virtual joints.
        joints: The joints of the skeleton that the first rows stand for, see
            `block_joints`. All by default.
        num_links: Number of links drawn on the body.
        up: Axis that points up: `"y"`, `"z"` or `"-y"`.
        title: Title of the figure.
        label: Text at the colour bar.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: If shapes do not fit each other, or nobody is present.

    Example:

    ```python
    graph = shared_topology(model, "block_4")[1]  # inward
    figure = draw_topology(clip[:, 12], "ntu", graph)
    ```
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    frame, skeleton, joints = _check(frame, skeleton, joints, up)
    graph = _per_person("graph", graph, 2, len(frame))
    size = graph.shape[-1]
    if graph.shape[1] != size:
        raise ValueError(
            "`graph` must have the shape (V', V') or (M, V', V'). Received "
            f"shape {graph.shape[1:]}. Choose one of the graphs of "
            "`clip_topology`, or their mean."
        )
    num_virtual = _count_virtual(size, joints, skeleton, "graph")
    if num_links < 0:
        raise ValueError(
            f"`num_links` must not be negative. Received: {num_links}"
        )
    people = _people(frame)
    names = _names(skeleton, joints, num_virtual)
    between = graph[people] * (1 - np.eye(size, dtype="float32"))
    limit = float(np.abs(between).max()) or float(np.abs(graph).max()) or 1.0
    signed = bool((graph[people] < 0).any())
    low = -limit if signed else 0.0
    scale = ScalarMappable(
        Normalize(low, limit),
        cmap=SIGNED_COLOR_MAP if signed else canvas.COLOR_MAP,
    )
    side = max(3.4, 0.17 * size + 1.0)
    figure = canvas.new_figure((4.6 + side + 2.2, len(people) * side + 0.9))
    panels = figure.subplots(
        len(people), 2, squeeze=False, width_ratios=(4.2, side)
    )
    for (body, table), person in zip(panels, people, strict=True):
        points = _Points(frame[person], skeleton, joints, num_virtual, up)
        points.draw_body(body, skeleton)
        _draw_links(body, points, graph[person], num_links, scale, limit)
        _draw_table(table, graph[person], names, scale)
        if len(people) > 1:
            body.set_title(f"Person {person + 1}", fontsize=10)
    beyond = {(False, False): "neither", (False, True): "max"}
    beyond |= {(True, False): "min", (True, True): "both"}
    figure.colorbar(
        scale,
        ax=panels[:, 1].tolist(),
        label=label,
        shrink=0.8,
        pad=0.02,
        extend=beyond[bool((graph < low).any()), bool((graph > limit).any())],
    )
    figure.suptitle(title or "Learned graph and its strongest links")
    return figure


def draw_hyper_edges(
    frame: ArrayLike,
    skeleton: SkeletonLike,
    incidence: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    edges: int | ArrayLike = 4,
    joints=None,
    up="y",
    title=None,
) -> "Figure":
    """Draws hyper-edges as soft outlines around their joints.

    One panel for each hyper-edge, one row for each person. Joints are sized
    by their share in the hyper-edge; the one that opens it has a dark ring.
    Joints outside are small and grey. Virtual joints are diamonds beside the
    body, which is seen from where it is widest.

    Args:
        frame: As in `draw_topology`.
        skeleton: A `Skeleton` or the name of a registered one.
        incidence: Array `(V', V')`, or `(M, V', V')` with one for each
            person: the share of joint (row) in hyper-edge (column) of one
            head, see `hyper_edges`. Rows beyond the `joints` are virtual.
        weights: Array `(V',)` or `(M, V')`, the weights of the hyper-edges.
        edges: Numbers of the hyper-edges to draw, or how many of the
            strongest: by absolute weight, and without `weights` by the sum
            of their shares.
        joints: As in `draw_topology`.
        up: Axis that points up: `"y"`, `"z"` or `"-y"`.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: If shapes do not fit each other, or nobody is present.

    Example:

    ```python
    edges = hyper_edges(model, clips)
    figure = draw_hyper_edges(
        clips[0, :, 12],
        model.skeleton,
        edges.incidence[0, :, 0],
        weights=edges.weights[0, :, 0],
        edges=[7, 11],  # those that the hands open
    )
    ```
    """
    frame, skeleton, joints = _check(frame, skeleton, joints, up)
    incidence = _per_person("incidence", incidence, 2, len(frame))
    size, num_edges = incidence.shape[1:]
    num_virtual = _count_virtual(size, joints, skeleton, "incidence")
    if size != num_edges or (incidence < 0).any():
        raise ValueError(
            "`incidence` must hold shares (V', V') that are not negative, "
            f"one hyper-edge per joint. Received shape {incidence.shape[1:]} "
            f"and a minimum of {incidence.min()}. Choose one head of "
            "`hyper_edges`."
        )
    strength = incidence.sum(axis=1)
    if weights is not None:
        weights = _per_person("weights", weights, 1, len(frame))
        if weights.shape[1] != num_edges:
            raise ValueError(
                f"`weights` must have {num_edges} values, one for each "
                f"hyper-edge. Received shape {weights.shape[1:]}."
            )
        strength = np.abs(weights)
    people = _people(frame)
    chosen = [_choose_edges(edges, strength[person]) for person in people]
    names = _names(skeleton, joints, num_virtual)
    bodies = [
        _Points(frame[person], skeleton, joints, num_virtual, up)
        for person in people
    ]
    columns = len(chosen[0])
    height = 2.6 * max(points.height_by_width for points in bodies)
    height = min(max(height, 1.8), 4.5) + 0.5
    figure = canvas.new_figure(
        (2.7 * columns + 0.4, height * len(people) + 0.8)
    )
    panels = figure.subplots(len(people), columns, squeeze=False)
    for row, (person, points) in enumerate(zip(people, bodies, strict=True)):
        for column, edge in enumerate(chosen[row]):
            panel = panels[row, column]
            color = EDGE_COLORS[column % len(EDGE_COLORS)]
            shares = incidence[person, :, edge]
            members = np.flatnonzero(shares)
            points.draw_hull(panel, members, color)
            points.draw_body(panel, skeleton)
            points.draw_members(panel, shares, edge, color)
            text = f"{len(members)} joint{'s' * (len(members) != 1)}"
            if weights is not None:
                text = f"weight {weights[person, edge]:.2f}, {text}"
            panel.set_title(f"{names[edge]}\n{text}", fontsize=9)
        if len(people) > 1:
            panels[row, 0].text(
                -0.02,
                0.5,
                f"Person {person + 1}",
                transform=panels[row, 0].transAxes,
                rotation=90,
                va="center",
                ha="right",
                fontsize=10,
            )
    figure.supxlabel(
        "Size: share in the hyper-edge. Dark ring: the joint that opens it."
        + (" Diamonds: virtual joints." if num_virtual else ""),
        fontsize=8,
    )
    figure.suptitle(title or "Hyper-edges")
    return figure


class _Points:
    """The joints of one person in a plane, virtual ones beside the body."""

    def __init__(self, frame, skeleton, joints, num_virtual, up):
        body = _widest_view(geometry.to_upright(frame, up))
        low, high = body.min(axis=0), body.max(axis=0)
        # The unit of all sizes: half the diagonal of the body.
        self.reach = max(float(np.linalg.norm(high - low)) / 2, 1e-6)
        self.body = body
        middle = (low[1] + high[1]) / 2
        spread = 0.45 * self.reach * (np.arange(num_virtual) + 0.5)
        spread = spread - spread.mean() if num_virtual else spread
        virtual = np.stack(
            [
                np.full(num_virtual, high[0] + 0.35 * self.reach),
                middle - spread,
            ],
            axis=1,
        )
        self.num_real = len(joints)
        self.all = np.concatenate([body[list(joints)], virtual])
        self.low = np.minimum(low, self.all.min(axis=0)) - 0.16 * self.reach
        self.high = np.maximum(high, self.all.max(axis=0)) + 0.16 * self.reach
        self.high[0] += 0.12 * self.reach * (num_virtual > 0)

    @property
    def height_by_width(self):
        width, height = self.high - self.low
        return height / width

    def draw_body(self, panel, skeleton):
        for child, parent in skeleton.edges:
            panel.plot(
                *self.body[[child, parent]].T,
                color=BONE_COLOR,
                linewidth=3.2,
                solid_capstyle="round",
                zorder=1,
            )
        for number in range(self.num_real, len(self.all)):
            x, y = self.all[number]
            panel.text(
                x + 0.13 * self.reach,
                y,
                f"V{number - self.num_real + 1}",
                va="center",
                fontsize=7,
                color=OUTLINE,
            )
        panel.set_xlim(self.low[0], self.high[0])
        panel.set_ylim(self.low[1], self.high[1])
        panel.set_aspect("equal")
        panel.set_axis_off()

    def draw_joints(self, panel, sizes, colors, edges=OUTLINE, widths=0.6):
        """Circles, and diamonds for virtual joints."""
        real = slice(None, self.num_real)
        for rows, marker in ((real, "o"), (slice(self.num_real, None), "D")):
            if len(self.all[rows]):
                panel.scatter(
                    *self.all[rows].T,
                    s=sizes[rows],
                    c=colors[rows],
                    marker=marker,
                    edgecolors=edges if isinstance(edges, str) else edges[rows],
                    linewidths=(
                        widths if isinstance(widths, float) else widths[rows]
                    ),
                    zorder=4,
                )

    def draw_hull(self, panel, members, color):
        """All points nearer than a hand's breadth to the members' tree."""
        if not len(members):
            return
        width, height = self.high - self.low
        step = max(width, height) / 260
        x = np.arange(self.low[0], self.high[0], step)
        y = np.arange(self.low[1], self.high[1], step)
        grid = np.stack(np.meshgrid(x, y), axis=-1)
        distance = np.full(grid.shape[:2], np.inf)
        for start, end in _tree(self.all[members]):
            along = end - start
            length = max(float(along @ along), 1e-12)
            place = np.clip((grid - start) @ along / length, 0, 1)
            nearest = start + place[..., None] * along
            distance = np.minimum(
                distance, np.linalg.norm(grid - nearest, axis=-1)
            )
        level = 0.085 * self.reach
        panel.contourf(
            x, y, distance, [-1, level], colors=[color], alpha=0.2, zorder=0.5
        )
        panel.contour(
            x,
            y,
            distance,
            [level],
            colors=[color],
            linewidths=1.4,
            alpha=0.75,
            zorder=0.6,
        )

    def draw_members(self, panel, shares, opener, color):
        from matplotlib.colors import to_rgba

        member = shares > 0
        level = shares / (float(shares.max()) or 1.0)
        sizes = np.where(member, 24 + 90 * level, 10)
        colors = np.where(member[:, None], to_rgba(color), to_rgba(BONE_COLOR))
        opens = np.arange(len(shares)) == opener
        edges = np.where(opens[:, None], to_rgba(OUTLINE), to_rgba("white"))
        self.draw_joints(panel, sizes, colors, edges, np.where(opens, 2.2, 0.7))


def _draw_links(panel, points, graph, num_links, scale, limit):
    from matplotlib.patches import FancyArrowPatch

    own = np.abs(np.diag(graph))
    sizes = 14 + 80 * own / max(float(own.max()), limit)
    points.draw_joints(panel, sizes, scale.to_rgba(np.diag(graph)))
    symmetric = np.allclose(graph, graph.T, atol=1e-6 * limit)
    strength = np.abs(np.tril(graph, -1) if symmetric else graph)
    np.fill_diagonal(strength, 0)
    strongest = np.argsort(-strength, axis=None, kind="stable")[:num_links]
    # The strongest last, on top of the others.
    for place in strongest[::-1]:
        receiver, sender = np.unravel_index(place, graph.shape)
        level = strength[receiver, sender] / limit
        if not level:
            continue
        panel.add_patch(
            FancyArrowPatch(
                points.all[sender],
                points.all[receiver],
                arrowstyle="-" if symmetric else "-|>",
                connectionstyle="arc3,rad=0.22",
                mutation_scale=6 + 6 * level,
                shrinkA=np.sqrt(sizes[sender]) / 2,
                shrinkB=np.sqrt(sizes[receiver]) / 2,
                linewidth=0.8 + 2.6 * level,
                color=scale.to_rgba(graph[receiver, sender]),
                zorder=2 + level,
            )
        )


def _draw_table(panel, graph, names, scale):
    panel.imshow(graph, cmap=scale.cmap, norm=scale.norm)
    ticks = range(len(names))
    panel.set_xticks(ticks, names, rotation=90, fontsize=7)
    panel.set_yticks(ticks, names, fontsize=7)
    panel.tick_params(length=1.5, pad=1.5)
    panel.set_xlabel("From joint")
    panel.set_ylabel("To joint")


def _widest_view(joints):
    """Turns joints `(V, 3)` about the upright axis until they are widest.

    By less than a quarter turn from the view of the sensor, in which x grows
    to the left, so that left and right are never exchanged.
    """
    ground = joints[:, [0, 2]] - joints[:, [0, 2]].mean(axis=0)
    _, directions = np.linalg.eigh(ground.T @ ground)
    axis = directions[:, -1]
    axis = axis if axis[0] >= 0 else -axis
    return np.stack([-ground @ axis, joints[:, 1]], axis=1)


def _tree(points):
    """The shortest lines that connect all points, `(start, end)`."""
    lines = [(points[0], points[0])]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    inside = [0]
    while len(inside) < len(points):
        outside = np.setdiff1d(np.arange(len(points)), inside)
        between = distances[np.ix_(inside, outside)]
        near, far = np.unravel_index(between.argmin(), between.shape)
        lines.append((points[inside[near]], points[outside[far]]))
        inside.append(int(outside[far]))
    return lines


def _check(frame, skeleton, joints, up):
    frame, skeleton = checks.check_clip(frame, skeleton, 3, "frame")
    geometry.to_upright(frame[:1], up)  # says which axes there are
    if not geometry.present(frame).any():
        raise ValueError(
            "`frame` shows nobody: all coordinates are 0. Choose a frame "
            "with a person."
        )
    if joints is None:
        return frame, skeleton, tuple(range(skeleton.num_joints))
    joints = tuple(int(joint) for joint in joints)
    if not joints or not all(0 <= j < skeleton.num_joints for j in joints):
        raise ValueError(
            f"`joints` must name joints of the skeleton {skeleton.name!r}, 0 "
            f"to {skeleton.num_joints - 1}. Received: {joints}"
        )
    return frame, skeleton, joints


def _people(frame):
    return np.flatnonzero(geometry.present(frame))


def _per_person(name, array, num_dims, num_persons):
    """Float32 with one entry for each person."""
    array = np.asarray(array, dtype="float32")
    if array.ndim == num_dims:
        array = np.broadcast_to(array, (num_persons, *array.shape))
    if array.ndim != num_dims + 1 or len(array) != num_persons:
        raise ValueError(
            f"`{name}` must have {num_dims} axes, or {num_dims + 1} with the "
            f"{num_persons} persons of the frame first. Received shape "
            f"{array.shape}."
        )
    checks.check_finite(array, name)
    return array


def _count_virtual(size, joints, skeleton, name):
    if size < len(joints):
        raise ValueError(
            f"`{name}` has {size} joints, fewer than the {len(joints)} of "
            f"the skeleton {skeleton.name!r}. For a part of the body, pass "
            "`joints=block_joints(model, block)`."
        )
    return size - len(joints)


def _names(skeleton, joints, num_virtual):
    names = geometry.joint_names(skeleton)
    return [names[joint] for joint in joints] + [
        f"Virtual {number + 1}" for number in range(num_virtual)
    ]


def _choose_edges(edges, strength):
    if isinstance(edges, int | np.integer):
        if edges < 1:
            raise ValueError(
                "`edges` must be at least 1, or a list of numbers of "
                f"hyper-edges. Received: {edges}"
            )
        return np.argsort(-strength, kind="stable")[:edges].tolist()
    chosen = [int(edge) for edge in edges]
    if not chosen or min(chosen) < 0 or max(chosen) >= len(strength):
        raise ValueError(
            f"`edges` must lie in 0..{len(strength) - 1}. Received: {chosen}"
        )
    return chosen
