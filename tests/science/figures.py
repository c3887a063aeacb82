"""The figures of docs/benchmarks.md: each one trains through the public RPCs, measures, and compares
with a floor and, where there is one, a goal or a closed form."""
import pathlib
import platform
import sys
import tempfile
import time

import codes
import harness
import likelihood
import quality
import recommendation
import speed
from lab import Lab

FIGURES = quality.FIGURES + codes.FIGURES + likelihood.FIGURES + recommendation.FIGURES + speed.FIGURES

# What the tests hold, beside the figures.
HELD = """
| promise | `tests/run -R` |
|---|---|
| gradients in float64, every part and preset, tied and untied: < 1e-6, < 1e-4 with kinks | `GradientTest` |
| `pca` equals the eigenvalues' sum to 1e-6, linear `plain` to 0.1 % | `PcaTest`, `ClosedFormTest` |
| noise of 0 and penalties of 0 train the same weights as `plain`, bit for bit | `TrainingPassTest`, `TrainerTest` |
| 1 and 2 threads, and resumption from any checkpoint: the same weights | `RecipeTest`, `OddSizeTest` |
| a row has the same bits alone and in a batch, and in a batch of 64 callers | `AutoencoderTest`, `BatchingTest` |
| the same bits after a restart and after kill -9 | `e2e_round_trip_test` |
| kill -9 at 30 random moments of upload and training | `e2e_crash_test` |
| kill -9 at every mutating system call of publish; a planted missing fsync is caught | `CrashTest` |
| bad input: code, field, expected, got | `BadInputTest`, `PlanRefusal` |
"""


class Table:
    """Lines of the page, in the order in which they were measured."""

    def __init__(self):
        self.lines = []
        self.group = ""  # of the figures that come next

    def add(self, figure, floor, measured, passed, goal=""):
        self.lines.append((figure, floor, goal, measured, "yes" if passed else "**no**",
                           f"`{self.group}`"))
        print(f"{'ok  ' if passed else 'MISS'} {figure}: {measured} (floor: {floor})", flush=True)

    def markdown(self):
        rows = ["| figure | floor | goal | measured | reached | `tests/science/run` |",
                "|---|---|---|---|---|---|"]
        return "\n".join(rows + ["| " + " | ".join(line) + " |" for line in self.lines])


def page(table, seconds):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    return f"""# Benchmarks

Every figure comes from `tests/science/run`, which trains and measures through the public RPCs and
writes this page; `tests/science/run NAME`, with the name in a row's last column, repeats that row
and its group. Closed-form figures are also held by
`tests/run`. Timings on shared machines are noisy: they are compared as ratios of interleaved runs.

Measured on {time.strftime('%Y-%m-%d')}, {cpu}, 2 cores, in {seconds / 60:.0f} minutes.

{table.markdown()}

## Held by the tests
{HELD}"""


def main():
    chosen = [f for f in FIGURES if not sys.argv[1:] or f.__name__ in sys.argv[1:]]
    table, start = Table(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="latent-science-") as folder:
        with harness.Server(folder).start() as server:
            lab = Lab(server, pathlib.Path(folder))
            for figure in chosen:
                table.group = figure.__name__
                figure(lab, table)
    text = page(table, time.monotonic() - start)
    if sys.argv[1:]:
        print(text)
    else:
        (harness.SOURCE / "docs/benchmarks.md").write_text(text)
    return 0 if all(line[4] == "yes" for line in table.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
