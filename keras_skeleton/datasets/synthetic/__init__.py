"""Generated motion, and pictures of it."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.datasets.synthetic.motion import (
        CAMERA_HEIGHT as CAMERA_HEIGHT,
    )
    from keras_skeleton.datasets.synthetic.motion import (
        CLASS_NAMES as CLASS_NAMES,
    )
    from keras_skeleton.datasets.synthetic.motion import load_data as load_data
    from keras_skeleton.datasets.synthetic.pictures import Camera as Camera
    from keras_skeleton.datasets.synthetic.pictures import (
        depth_points as depth_points,
    )
    from keras_skeleton.datasets.synthetic.pictures import (
        draw_clip as draw_clip,
    )
    from keras_skeleton.datasets.synthetic.pictures import film as film
