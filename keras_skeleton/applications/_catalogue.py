"""What each system is and is good for, in a line: rows of documentation.

`keras_skeleton.weights.tables` writes the tables.
"""

import typing


class Entry(typing.NamedTuple):
    """A row about a system.

    Attributes:
        papers: Tuple of pairs: where it was published, and its arXiv number.
        summary: What it is.
        good_for: When to choose it.
    """

    papers: tuple
    summary: str
    good_for: str


CATALOGUE = {
    "mamp": Entry(
        (("ICCV 2023", "2308.07092"),),
        "transformer, pre-trained without labels",
        "many clips, of which few have labels; attention says what counted",
    ),
    "ctrgcn": Entry(
        (("ICCV 2021", "2107.12213"),),
        "graph network, one for each stream",
        "a first model where there are labels",
    ),
    "hypergcn": Entry(
        (("ICCV 2025", "2411.14796"),),
        "graph network, one for each stream",
        "accuracy with labels; hyper-edges show which joints work together",
    ),
    "psumnet": Entry(
        (("ECCVW 2022", "2208.05775"),),
        "graph network, one for each part of the body",
        "small networks; body, hands and legs apart",
    ),
    "stgcn": Entry(
        (("AAAI 2018", "1801.07455"),),
        "graph network, in the thin form of contrastive training or in the "
        "original one",
        "a baseline; the encoder of contrastive training",
    ),
    "stgcnpp": Entry(
        (("arXiv 2022", "2205.09443"),),
        "graph network, one for each stream; the network of BRL",
        "2D poses of an estimator, for which the authors have weights, too",
    ),
    "brl": Entry(
        (("arXiv 2023", "2308.14024"),),
        "trains `STGCNPlusPlus`, or any classifier, on data in which few "
        "classes have most of the clips",
        "classes with very different numbers of clips",
    ),
    "dgstgcn": Entry(
        (("arXiv 2022", "2210.05895"),),
        "graph network without a given graph, one for each stream",
        "joints whose connections are not known",
    ),
    "aclnet": Entry(
        (("TBIOM 2026", "2601.16694"),),
        "the network of `DGSTGCN`, wider, trained with contrast between "
        "classes that are easily confused",
        "classes that look alike",
    ),
    "dsta": Entry(
        (("ACCV 2020", "2007.03263"),),
        "transformer over joints with convolutions over time",
        "another encoder for HiCLR",
    ),
    "hiclr": Entry(
        (("AAAI 2023", "2211.13466"),),
        "the network of `STGCN`, or `DSTA`, trained without labels by "
        "contrast of views that are augmented more and more",
        "training without labels, of a graph network or a transformer",
    ),
    "halp": Entry(
        (("CVPR 2023", "2304.00387"),),
        "recurrent network, trained without labels by contrast with made-up "
        "positives",
        "training without labels where a recurrent network is wanted",
    ),
    "msclr": Entry(
        (("arXiv 2025", "2508.14889"), ("AAAI 2022", "2112.03590")),
        "graph network of several joint layouts, trained without labels by "
        "contrast of one with another",
        "data of several joint layouts, without labels",
    ),
    "cascadeformer": Entry(
        (("ICPR 2026", "2509.00692"),),
        "transformer over frames with a second one behind, pre-trained "
        "without labels",
        "one person, in 2D (Penn Action) or 3D",
    ),
    "skeletonmae": Entry(
        (("ICCV 2023", "2307.08476"),),
        "graph network that predicts hidden parts of the body, pre-trained "
        "without labels; a reconstruction, as there is no published code",
        "pre-training of a graph network",
    ),
    "finetec": Entry(
        (("AAAI 2026", "2512.25067"),),
        "restores lost frames, estimates accelerations and recognises with "
        "ST-GCN++; a reconstruction, as there is no published code",
        "clips in which frames are missing",
    ),
    "epamnet": Entry(
        (("Neurocomputing 2025", "2408.05421"),),
        "networks for video and for pictures of the pose, which guides the "
        "other",
        "video and 2D poses together",
    ),
    "mmixer": Entry(
        (("WACV 2023", "2208.11314"), ("CVIU 2025", "2311.12344")),
        "recurrent units of several modalities, fed with content of the "
        "others; a reconstruction",
        "several modalities of the same clips",
    ),
    "deformable3d": Entry(
        (("ICCV 2023", "2212.05638"),),
        "transformer over video and joints that searches for telling places; "
        "a reconstruction",
        "video and 3D joints together",
    ),
    "stars": Entry(
        (("arXiv 2024", "2407.10935"),),
        "the network of MAMP, tuned without labels",
        "nearest neighbours, and classes with few examples",
    ),
    "a2j": Entry(
        (("ICCV 2019", "1908.09999"),),
        "3D joints from depth maps or pictures, by votes of anchors; learns "
        "from joints found by others, as in UniPose",
        "poses where there is no cloud of points, or no time for one",
    ),
    "unipose": Entry(
        (("PRCV 2025", "2509.23376"),),
        "3D joints from clouds of points, learned from 2D joints alone; a "
        "reconstruction after C3P",
        "poses from depth without any label in space",
    ),
}
