"""What a page answers to an error: below the traceback, one sentence that says what to do.

IPython loads this into every kernel of the course's environment (`ipython_config.py` beside it): a cell that is run
before the imports has nothing else of the course to ask. So it imports nothing but the standard library.
"""

import linecache
import re
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
PLAIN = str | int | float | None


def load_ipython_extension(shell) -> None:
    """Let `shell` answer every error of a cell; the stop button stays as it is."""
    shell.set_custom_exc((Exception,), _answer)


def _answer(shell, kind, error, trace, tb_offset=None):
    shell.showtraceback((kind, error, trace), tb_offset=1)
    if sentence := advice(error, shell.user_ns):
        print(sentence)


def advice(error: Exception, cell: dict) -> str:
    """Return what to do about `error`, raised while a cell ran whose names are `cell`; "" where there is nothing to add.

    An error that the course itself raises says so in its message.
    """
    if isinstance(error, NameError):
        return (
            f"{error.name} isn't there yet: run the cells above (in JupyterLab: Run, Run All Above Selected Cell), "
            "then this one again. If none of them makes it, import or define it."
        )
    frames, trace = [], error.__traceback__
    while trace:
        frames.append((trace.tb_frame, linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno)))
        trace = trace.tb_next
    inner, line = frames[-1]
    if line.lstrip().startswith("raise ") and COURSE in Path(inner.f_code.co_filename).parents:
        return ""
    inside = [(frame, line) for frame, line in frames if frame.f_globals is cell]
    if not inside:
        return ""
    frame, line = inside[-1]
    known = {name: (cell | frame.f_locals).get(name, ...) for name in re.findall(r"[^\W\d]\w*", line)}
    plain = [f"{name} = {value!r}" for name, value in known.items() if isinstance(value, PLAIN)]
    if not plain:
        return ""
    return f"Here {', '.join(plain)}. If you changed that, give it back the value that the page came with."
