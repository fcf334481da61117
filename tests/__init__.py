"""What dlt reads when it is imported is set before any test imports it, as the command line does."""

import os

from pipelines.progress import DLT_RUNTIME

os.environ.update(DLT_RUNTIME)
