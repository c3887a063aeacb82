"""The speed table of docs/benchmarks.md: measures its lines, each with a floor and a goal.

    lines.py [--quick] [NAME ...]    --quick: few pairs, short; the page is left as it is
"""
import json
import sys
import tempfile

import harness
import page
import serving
from rig import Rig

LINES = serving.LINES


def section(table):
    return f"""## Speed

Measured by `tests/bench/run` (`tests/bench/run NAME ...` for some lines, `--quick` for a smoke run), on
{page.machine()}, client and server on the same machine over loopback, health enabled. Each figure is the
median over at least 7 pairs of short runs, ours and the other side in turn; compute is the wall time
of forward passes as the server itself reports it. "reached" says whether the goal is, or the floor alone.

{table.markdown()}
"""


def main():
    names = {line.__name__: line for line in LINES}
    quick = "--quick" in sys.argv
    chosen = [argument for argument in sys.argv[1:] if argument != "--quick"]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        sys.exit(f"expected names among {', '.join(names)}; got {', '.join(unknown)}")
    table = page.Table("speed", "tests/bench/run", names)
    with tempfile.TemporaryDirectory(prefix="latent-bench-") as folder, Rig(folder, quick) as rig:
        for name in chosen or names:
            table.group = name
            names[name](rig, table)
            if not quick:
                page.write("speed", section(table))
                data = harness.BUILD.parent / "bench"
                data.mkdir(exist_ok=True)
                (data / "data.json").write_text(json.dumps(rig.data, indent=1))
    return 1 if table.missed and not quick else 0


if __name__ == "__main__":
    sys.exit(main())
