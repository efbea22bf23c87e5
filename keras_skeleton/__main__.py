import sys

from keras_skeleton.cli import main

sys.exit(main())
