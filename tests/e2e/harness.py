"""Starts latentd on loopback and runs the latent command line against it."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

BUILD = pathlib.Path(os.environ["LATENT_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["LATENT_SOURCE_DIR"])
DIGITS = SOURCE / "tests/data/digits/digits.csv.gz"


class Server:
    """One latentd; a context manager that leaves no process behind."""

    def __init__(self, folder, *flags):
        self.folder = pathlib.Path(folder)
        self.flags = flags
        self.process = None
        self.environment = None  # this process's
        self.log_path = self.folder / "server.log"

    def start(self, wait=True):
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "server/latentd", "--state-dir", self.folder / "state",
                 "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
                 "--port-file", ports, *self.flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment)
        deadline = time.monotonic() + 30
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("latentd did not start:\n" + self.log_tail())
            time.sleep(0.01)
        port, metrics_port = ports.read_text().split()
        self.address, self.metrics_address = f"127.0.0.1:{port}", f"127.0.0.1:{metrics_port}"
        if wait:
            self.wait_healthy()
        return self

    def wait_healthy(self, seconds=30):
        deadline = time.monotonic() + seconds
        while subprocess.run([BUILD / "client/latent", "--server", self.address, "health"],
                             capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                raise AssertionError("latentd did not become healthy:\n" + self.log_tail())
            time.sleep(0.02)

    def log_tail(self):
        return self.log_path.read_text(errors="replace")[-4000:]

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()

    def latent(self, *arguments, check=True, timeout=120):
        """Runs the command line; returns the finished process with text output."""
        done = subprocess.run(
            [BUILD / "client/latent", "--server", self.address, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(
                f"latent {' '.join(map(str, arguments))}: exit {done.returncode}\n"
                f"{done.stdout}{done.stderr}\n{self.log_tail()}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.latent("--output-format", "json", *arguments, **options).stdout)


def main(*tests):
    """Runs the given functions, each in a folder of its own; prints what failed."""
    import tempfile
    import traceback
    # Beside other work a job of the idle class may stand still for a minute.
    os.environ.setdefault("LATENT_TRAIN_PRIORITY", "normal")
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory(prefix="latent-e2e-") as folder:
            try:
                test(pathlib.Path(folder))
                print(f"ok {test.__name__}", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"FAILED {test.__name__}", flush=True)
    sys.exit(1 if failed else 0)
