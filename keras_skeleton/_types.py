"""What annotations of public functions say more than once."""

import os

PathLike = str | os.PathLike[str]
