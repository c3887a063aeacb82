"""The speed table of docs/benchmarks.md: measures its lines, each with a floor and a goal, and draws
its pictures.

    lines.py [--quick] [NAME ...]    --quick: few pairs, short; the page is left as it is
"""
import json
import pathlib
import sys
import tempfile
import time

import batches
import curves
import footprint
import harness
import hotspots
import isolation
import kernels
import page
import plots
import serving
import sparse
import stillness
import training
import turnaround
from rig import Rig

# In the order of the table; a module's LINES are functions of a rig and a table.
LINES = (kernels.LINES + serving.LINES + batches.LINES + training.LINES + sparse.LINES +
         isolation.LINES + footprint.LINES + stillness.LINES + turnaround.LINES +
         hotspots.LINES + curves.LINES)
NOTES = pathlib.Path(__file__).parent / "notes.md"
DATA = harness.BUILD.parent / "bench/data.json"


def section(table):
    pictures = "\n\n".join(f"![{title}]({name})" for name, title in plots.PICTURES.items()
                           if (plots.DOCS / name).exists())
    return f"""## Speed

Measured by `tests/bench/run` (`tests/bench/run NAME ...` for some lines, `--quick` for a smoke run)
on {page.machine()}, client and server on the same machine over loopback, health enabled. Each figure is the
median over at least 7 pairs of short runs, ours and the other side in turn, unless it says otherwise;
compute is the wall time of forward passes as the server itself reports it. "reached" says whether the
goal is, or the floor alone; "not shown" is what could not be measured there.

{table.markdown()}

{pictures}

{NOTES.read_text().strip()}
"""


def measure(rig, table, line):
    begin = time.monotonic()
    line(rig, table)
    rig.check_threads()
    print(f"     {line.__name__}: {time.monotonic() - begin:.0f} s", flush=True)


def write(rig, table):
    page.write("speed", section(table))
    DATA.parent.mkdir(exist_ok=True)
    known = json.loads(DATA.read_text()) if DATA.exists() else {}
    DATA.write_text(json.dumps({**known, **rig.data}, indent=1))


def main():
    names = {line.__name__: line for line in LINES}
    assert len(names) == len(LINES), "two lines have the same name"
    quick = "--quick" in sys.argv
    chosen = [argument for argument in sys.argv[1:] if argument != "--quick"]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        sys.exit(f"expected names among {', '.join(names)}; got {', '.join(unknown)}")
    table = page.Table("speed", "tests/bench/run", names)
    with tempfile.TemporaryDirectory(prefix="latent-bench-") as folder, Rig(folder, quick) as rig:
        if quick:
            plots.folder = DATA.parent
            DATA.parent.mkdir(exist_ok=True)
        for name in chosen or names:
            table.group = name
            measure(rig, table, names[name])
            if not quick:
                write(rig, table)
    return 1 if table.missed and not quick else 0


if __name__ == "__main__":
    sys.exit(main())
