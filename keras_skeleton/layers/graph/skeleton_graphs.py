"""Graphs of a skeleton, which convolutions begin with."""

import numpy as np

from keras_skeleton import skeletons


def spatial_graph(num_joints, edges):
    """The three graphs of a body: joints themselves, inward and outward.

    `graph[s, u, v]` is the weight at which joint `u` receives from joint
    `v`: in the first graph from itself, in the second (inward) from its
    children, in the third (outward) from its parents. Columns of the latter
    two add up to 1, or are 0 where a joint sends to nobody.

    Args:
        num_joints: Number of joints `V`.
        edges: Pairs `(child, parent)` of joints from 0, for example the
            `edges` of a `Skeleton`. They need not form a tree.

    Returns:
        float32 array `(3, V, V)`.

    Example:

    >>> spatial_graph(2, [(1, 0)])[1]
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    inward = np.zeros((num_joints, num_joints))
    for child, parent in edges:
        if not (0 <= child < num_joints and 0 <= parent < num_joints):
            raise ValueError(
                f"`edges` names the pair {(child, parent)}, but the "
                f"{num_joints} joints are numbered 0 to {num_joints - 1}."
            )
        inward[parent, child] = 1
    graphs = [np.eye(num_joints)]
    for matrix in (inward, inward.T):
        total = matrix.sum(axis=0)
        graphs.append(matrix / np.where(total > 0, total, 1))
    return np.stack(graphs).astype("float32")


def partition_graph(num_joints, edges, center, max_hop=1):
    """The graphs of ST-GCN: joints themselves, and two directions.

    The symmetric graph of bones and joints themselves, divided by the number
    of its entries in each column, is parted by the distance to a centre:
    `graph[0, u, v]` is the weight at which joint `u` receives from itself,
    `graph[1]` from joints further away or as far, `graph[2]` from nearer ones.
    With more hops, joints up to so many bones away count as linked, and each
    number of bones has two graphs of its own.

    As in the published code, distances are only known up to `max_hop` bones:
    all joints beyond those of the centre count as equally far. So with one
    hop `graph[2]` is nearly empty, and `graph[1]` has both directions of most
    bones.

    Args:
        num_joints: Number of joints `V`.
        edges: Pairs of joints. They need not form a tree.
        center: Number of the joint in the centre.
        max_hop: Bones between joints that receive from each other.

    Returns:
        float32 array `(2 max_hop + 1, V, V)`.

    Example:

    >>> partition_graph(2, [(1, 0)], center=0)[2]
    array([[0. , 0. ],
           [0.5, 0. ]], dtype=float32)

    Reference: Yan et al., Spatial Temporal Graph Convolutional Networks for
    Skeleton-Based Action Recognition, AAAI 2018, arXiv 1801.07455.
    """
    links = np.eye(num_joints)
    for first, second in edges:
        links[first, second] = links[second, first] = 1
    # How many bones are between two joints, if there are not too many.
    hops = np.full((num_joints, num_joints), max_hop + 1)
    for hop in range(max_hop, -1, -1):
        hops[np.linalg.matrix_power(links, hop) > 0] = hop
    near = (hops <= max_hop).astype("float64")
    # Symmetric, so that the sums of columns are those of rows.
    graph = (near / near.sum(axis=0)).T
    is_nearer = hops[center][None, :] < hops[center][:, None]
    graphs = [np.where(hops == 0, graph, 0)]
    for hop in range(1, max_hop + 1):
        graphs += [
            np.where((hops == hop) & ~is_nearer, graph, 0),
            np.where((hops == hop) & is_nearer, graph, 0),
        ]
    return np.stack(graphs).astype("float32")


def body_graph(num_joints, edges):
    """The symmetric graph of a body: 1 between joints that are linked.

    Joints are not linked to themselves.

    Args:
        num_joints: Number of joints `V`.
        edges: Pairs of joints. They need not form a tree.

    Returns:
        float32 array `(V, V)` of 0 and 1.

    Example:

    >>> body_graph(3, [(1, 0), (2, 1)]).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    return virtual_joint_graph(num_joints, edges) - np.eye(
        num_joints, dtype="float32"
    )


def virtual_joint_graph(num_joints, edges, num_virtual_joints=0):
    """Adjacency of a skeleton and of virtual joints that see all of it.

    Every joint is linked to itself and along the bones; every virtual joint
    to itself and to all real joints, but to no other virtual one.

    Args:
        num_joints: Number of real joints, `V`.
        edges: Pairs `(child, parent)` of joints.
        num_virtual_joints: Number of virtual joints, numbered from `V`.

    Returns:
        Symmetric float32 array `(V + virtual, V + virtual)` of 0 and 1.

    Example:

    >>> virtual_joint_graph(2, [(1, 0)], 1).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    matrix = np.eye(num_joints + num_virtual_joints, dtype="float32")
    for child, parent in edges:
        matrix[child, parent] = matrix[parent, child] = 1
    matrix[:num_joints, num_joints:] = 1
    matrix[num_joints:, :num_joints] = 1
    return matrix


def body_edges(skeleton, bones="published"):
    """Bones of a layout as the published graph has them.

    In the graphs of Hyper-GCN (and its bone stream), PYSKL and BRL, the tips
    of the hands and the thumbs of the NTU layout hang directly on the hands;
    the layout itself, like most other systems, hangs the thumbs on the hands
    and the tips on the thumbs. All other layouts have their own bones.

    Args:
        skeleton: A `Skeleton` or its registered name.
        bones: `"published"`, or `"skeleton"` for the layout's own bones.

    Returns:
        Tuple of pairs `(child, parent)`.

    Example:

    >>> body_edges("ntu")[-4:]
    ((21, 7), (22, 7), (23, 11), (24, 11))
    """
    if bones not in ("published", "skeleton"):
        raise ValueError(
            "`bones` must be 'published' or 'skeleton'. Received "
            f"bones={bones!r}."
        )
    skeleton = skeletons.get(skeleton)
    edges = skeleton.edges
    if bones == "published" and skeleton == skeletons.get("ntu"):
        hands = ((21, 7), (22, 7), (23, 11), (24, 11))
        edges = tuple(sorted(e for e in edges if e[0] < 21)) + hands
    return edges
