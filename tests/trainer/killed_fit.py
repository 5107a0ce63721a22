"""Train in a process of its own that may kill itself: `python killed_fit.py WHEN RECIPE DATA RUN`.

WHEN is one of
  never       train, or go on and end;
  epoch:N     SIGKILL as soon as epoch N has been told;
  write:NAME:N  SIGKILL when half of the N-th file called NAME lies on the disk;
  moment:S    SIGKILL S seconds after the first step could begin.
A run that is there is resumed. Everything is computed on one thread, so that sums add up alike.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

os.environ.update(
    TF_NUM_INTRAOP_THREADS="1",
    TF_NUM_INTEROP_THREADS="1",
    TF_DETERMINISTIC_OPS="1",
    OMP_NUM_THREADS="1",
    CUDA_VISIBLE_DEVICES="-1",
)

from fer_edge.shared.whole_files import Content
from fer_trainer.data.loading import load_data
from fer_trainer.jobs import fit as fitting
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.training import checkpoint


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_writing(name: str, number: int) -> None:
    """Make the process die in the middle of a file, as if the writer were that slow."""
    whole: Callable[[Path, Content], None] = run_folder.replace_file
    seen = 0

    def replace_file(path: Path, content: Content) -> None:
        nonlocal seen
        seen += path.name == name

        def half(temporary: str) -> None:
            if callable(content):
                content(temporary)
            else:
                data = content.encode() if isinstance(content, str) else content
                Path(temporary).write_bytes(data)
            os.truncate(temporary, Path(temporary).stat().st_size // 2)
            kill()

        whole(path, half if path.name == name and seen == number else content)

    for module in (run_folder, fitting, checkpoint):
        module.replace_file = replace_file


def main(when: str, recipe_path: str, data: str, run: str) -> None:
    kind, *details = when.split(":")
    if kind == "write":
        die_while_writing(details[0], int(details[1]))

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")
        if kind == "epoch" and line.startswith(f"epoch {details[0]}/"):
            kill()

    recipe = load_recipe(recipe_path)
    split = load_data(recipe, Path(data))
    if kind == "moment":
        timer = threading.Timer(float(details[0]), kill)
        timer.daemon = True
        timer.start()
    fitting.fit(recipe, split, run_folder.RunFolder(Path(run)), tell=tell, resume=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
