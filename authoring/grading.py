"""What this course adds to nbgrader's autograding: one student's notebook cannot stop the class.

`notebooks/homework/nbgrader_config.py` puts both classes to work.
"""

from copy import deepcopy
from pathlib import Path

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Integer

LOST = "The kernel died or could not be stopped; the cells below ran in a fresh one."
CUT = "\n… the rest of this cell's output was cut.\n"


def grade_id(cell: NotebookNode) -> str | None:
    """Return the name under which nbgrader knows `cell`, None for a cell that it leaves alone."""
    settings = cell.metadata.get("nbgrader")
    return settings.get("grade_id") if isinstance(settings, dict) else None


class RestoreCells(NbGraderPreprocessor):
    """Give every cell the metadata that it has in the template, and bring deleted cells back.

    Otherwise the student's file decides: a tag on a test keeps it from running, and what doesn't run has not failed;
    a changed flag leaves a question ungraded; an old version number ends the run for the whole class.
    """

    def preprocess(self, notebook, resources):
        names = resources["nbgrader"]
        template = Path("release", names["assignment"], f"{names['notebook']}.ipynb")
        official = {grade_id(cell): cell for cell in nbformat.read(template, as_version=4).cells}
        official.pop(None, None)
        for cell in notebook.cells:
            original = official.get(grade_id(cell))
            cell.metadata = deepcopy(original.metadata) if original else NotebookNode()
        place = 0
        for name, original in official.items():
            found = [i for i, cell in enumerate(notebook.cells) if grade_id(cell) == name]
            if not found:
                notebook.cells.insert(place, original)
            place = (found[-1] if found else place) + 1
        return notebook, resources


class SafeExecute(Execute):
    """Execute a submission; a cell that kills or blocks the kernel fails, and a fresh kernel runs the rest.

    Output is cut while it arrives, so that endless printing fills neither memory nor the feedback. What a cell writes
    on stderr counts as output: nbgrader would take the points of a test for a mere warning.
    """

    max_output = Integer(1_000_000, help="characters of output that are kept of a cell").tag(config=True)

    def preprocess_cell(self, cell, resources, index):
        self.kept = 0
        try:
            return super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError) as error:
            self.log.error("%s: %s", type(error).__name__, LOST)
            cell.outputs.append(
                new_output("error", ename=type(error).__name__, evalue=LOST, traceback=[LOST])
            )
            self._start_afresh()
            return cell, resources

    def process_message(self, message, cell, index):
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            content["name"] = "stdout"
        if kind in ("stream", "display_data", "execute_result", "update_display_data"):
            room, size = self.max_output - self.kept, len(str(content.get("text") or content.get("data")))
            self.kept += size
            if size > room:
                if room > 0:
                    shown = content.get("text", "")[:room] + CUT
                    cell.outputs.append(new_output("stream", name="stdout", text=shown))
                return None
        return super().process_message(message, cell, index)

    def _start_afresh(self):
        self._cleanup_kernel()  # ends a kernel that still runs, whatever it is doing
        self.km = self.create_kernel_manager()
        self.start_new_kernel()
        self.start_new_kernel_client()
