import os

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

os.environ.pop("TQDM_DISABLE", None)  # a worker has it from the process that started it
from tqdm import tqdm  # noqa: F401  (it reads the environment when it is imported)

os.environ["TQDM_DISABLE"] = "1"  # in training and all kernels: a bar is output that the page lacks


@pytest.fixture
def published():
    """Collect what a cell would show."""
    shell = InteractiveShell.instance()
    shell.display_pub, before = CapturingDisplayPublisher(), shell.display_pub
    yield shell.display_pub.outputs
    shell.display_pub = before
    InteractiveShell.clear_instance()  # no other test runs in a cell
