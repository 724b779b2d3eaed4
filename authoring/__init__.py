"""Makes what readers see from its sources; not installed with the course."""

import sys

for _stream in (sys.stdout, sys.stderr):
    if hasattr(
        _stream, "reconfigure"
    ):  # a console that has no arrow shows a question mark, and the work goes on
        _stream.reconfigure(errors="replace")
