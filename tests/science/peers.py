"""Other projects' software, measured beside ours: a Python environment of its own in the build folder,
installed at first use."""
import subprocess
import sys

import harness

FOLDER = harness.BUILD.parent / "peers"


def python(*packages):
    """The interpreter of an environment that has the packages; None, aloud, where they are out of
    reach."""
    interpreter = FOLDER / "bin/python"
    versions = "import sys, importlib.metadata as m; [m.version(p) for p in sys.argv[1:]]"
    if interpreter.exists() and subprocess.run([interpreter, "-c", versions, *packages],
                                               capture_output=True).returncode == 0:
        return interpreter
    print(f"Installing {', '.join(packages)} ...", flush=True)
    steps = ([sys.executable, "-m", "venv", FOLDER],
             [interpreter, "-m", "pip", "install", "-q", *packages])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"SKIP: no {', '.join(packages)}: {done.stderr.strip()[-300:]}", flush=True)
            return None
    return interpreter
