"""What an answer takes of the system once the server is warm: memory and page faults."""
import os
import statistics
import struct

import harness
from rig import BENCH, DEEP, Side, polling_threads, threads
from verdict import Part, judge

NONE = (0.049, 0.049)  # what is written as 0.0: something rare that is no part of an inference


def guard(rig, table):
    """Nothing polls beside the loops, with health answering."""
    rig.served(DEEP)
    rig.server.latent("health")
    rig.call(rig.latentd, DEEP, 8)
    names = threads(rig.latentd.pid)
    control = polling_threads(rig.echo_with_default_health.pid)
    assert control > 0, "the callback API's threads have another name here: the guard sees none"
    judge(table, "guard: threads of gRPC's callback API in latentd, health answering",
          Part(polling_threads(rig.latentd.pid), "≤", 0, 0, "{:.0f}"),
          note=f"{len(names)} threads, {sum(n.startswith('latent-loop') for n in names)} loop; an echo "
          f"with gRPC's own health service: {control}")


class Counted:
    """A process under count_malloc.cc."""

    def __init__(self, rig, name):
        self.file = rig.folder / f"{name}.count"
        self.file.write_bytes(bytes(4096))
        self.environment = {**os.environ, "LATENT_COUNT_FILE": str(self.file),
                            "LD_PRELOAD": str(BENCH / "libcount_malloc.so")}

    def count(self):
        return struct.unpack("<Q", self.file.read_bytes()[:8])[0]

    def per_call(self, rig, side, rows):
        """From a short and a long load, so that what a connection takes cancels out."""
        rig.call(side, DEEP, 8, flags=("--rows", rows))
        counts, calls = [], []
        for seconds in (rig.seconds / 2, 4 * rig.seconds):
            before = self.count()
            calls.append(rig.call(side, DEEP, 8, seconds=seconds, flags=("--rows", rows)).answered)
            counts.append(self.count() - before)
        return (counts[1] - counts[0]) / max(1, calls[1] - calls[0])


def allocations(rig, table):
    """Of latentd beside those of the echo, which are gRPC's own."""
    rig.served(DEEP)
    rig.server.stop()
    ours, echo = Counted(rig, "latentd"), Counted(rig, "echo_counted")
    server = harness.Server(rig.folder)
    server.environment = ours.environment
    per_call = {}
    try:
        server.start()
        side = Side(server.address, server.process.pid)  # no scrape shall count
        other = rig.process("echo_counted", [BENCH / "echo_server"], env=echo.environment)
        for rows in (1, 64):
            for name, who, counted in (("ours", side, ours), ("echo", other, echo)):
                per_call[name, rows] = counted.per_call(rig, who, rows)
    finally:
        if server.process is not None:
            server.stop()
        rig.server.start()
    library = [rig.library.ask(f"encode {rig.version_directory(DEEP)} {rows} {rig.seconds / 2}")
               for rows in (1, 64)]
    judge(table, "allocations of latentd per inference after warm-up, above the echo's, 1 and 64 rows",
          *(Part(per_call["ours", rows] - per_call["echo", rows], "≤", *NONE, "{:.1f}",
                 f"at {rows}") for rows in (1, 64)),
          note="gRPC itself {:.1f} · {:.1f}; the library's pass {:.0f} · {:.0f}".format(
              *(per_call["echo", rows] for rows in (1, 64)),
              *(answer["allocations"] / answer["calls"] for answer in library)))


def faults(rig, table):
    """Page faults of latentd while it answers."""
    rig.served(DEEP)
    parts, notes = [], []
    for rows in (1, 64):
        for _ in range(2):  # the first warms up
            readings = [rig.call(rig.latentd, DEEP, 8, flags=("--rows", rows))
                        for _ in range(rig.pairs)]
        parts.append(Part(statistics.median(r.faults for r in readings), "≤", *NONE, "{:.1f}",
                          f"at {rows}"))
        notes.append(f"{statistics.median(r.answered for r in readings):.0f}")
    judge(table, "page faults of latentd per inference after warm-up, 1 and 64 rows", *parts,
          note=f"{' · '.join(notes)} calls a sample")


LINES = (guard, allocations, faults)
