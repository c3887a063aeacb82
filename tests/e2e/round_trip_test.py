#!/usr/bin/env python3
"""The main job on digits: upload, train, publish, encode, reconstruct, restart, the same bits."""
import subprocess
import time
import urllib.request

import harness


def upload_and_train(server, model="digits-pca", preset="pca", *flags):
    server.latent("datasets", "upload", "digits", "--train", harness.DIGITS, "--label-column", "-1",
                  "--value-scale", "0.0625", "--row-shape", "8x8x1")
    server.latent("train", model, "--dataset", "digits", "--preset", preset, "--latent-dim", "8",
                  "--watch", *flags)


def test_restart_answers_with_the_same_bits(folder):
    with harness.Server(folder).start() as server:
        upload_and_train(server)
        slice_flags = ("--model", "digits-pca", "--dataset", "digits", "--part", "test")
        server.latent("encode", *slice_flags, "--output", folder / "before.npy")
        server.latent("reconstruct", *slice_flags, "--output", folder / "rows.npy",
                      "--image", folder / "grid.png")
        assert (folder / "grid.png").read_bytes().startswith(b"\x89PNG"), "no picture"
        assert server.stop() == 0, server.log_tail()
        server.start()
        server.latent("encode", *slice_flags, "--output", folder / "after.npy")
        assert (folder / "before.npy").read_bytes() == (folder / "after.npy").read_bytes()
        server.kill()
        server.start()
        server.latent("encode", *slice_flags, "--output", folder / "killed.npy")
        assert (folder / "before.npy").read_bytes() == (folder / "killed.npy").read_bytes()


def test_a_real_prometheus_scrapes_the_metrics(folder):
    with harness.Server(folder).start() as server:
        upload_and_train(server)
        server.latent("encode", "--model", "digits-pca", "--dataset", "digits", "--part", "test",
                      "--output", folder / "codes.csv")
        text = urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10).read()
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
        assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()
        answer = prometheus_query(folder, server.metrics_address,
                                  'grpc_server_handled_total{grpc_method="Encode",grpc_code="OK"}')
        assert '"value":[' in answer and '"Encode"' in answer, answer


def prometheus_query(folder, target, query):
    config = folder / "prometheus.yml"
    config.write_text("scrape_configs:\n- job_name: latent\n  scrape_interval: 1s\n"
                      f"  static_configs: [{{targets: ['{target}']}}]\n")
    port = free_port()
    log = open(folder / "prometheus.log", "wb")
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.parse.quote(query)
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = urllib.request.urlopen(url, timeout=5).read().decode()
                if '"result":[{' in answer:
                    return answer
            except OSError:
                pass
            assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()[-2000:]
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait()
        log.close()


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    import urllib.parse
    harness.main(test_restart_answers_with_the_same_bits,
                 test_a_real_prometheus_scrapes_the_metrics)
