"""The small package behind the lessons: what a reader need not read in order to follow them.

Importing it puts PyTorch on one thread. The networks are small: on a quiet machine a second thread gains a factor
of two at best, and beside other programs threads that wait for each other cost a factor of ten or more. Whoever has
a quiet machine and a long run raises it here, for all pages, by the environment variable COURSE_THREADS.
"""

import os

import torch

_threads = os.environ.get("COURSE_THREADS") or "1"
if not (_threads.isdecimal() and int(_threads) >= 1):
    raise ValueError(
        f"COURSE_THREADS must be a whole number of at least 1 (threads for PyTorch), got {_threads!r}: "
        "set it to 1, or unset it"
    )
torch.set_num_threads(int(_threads))
