"""``python -m tests.cluster.up [RUN_FOLDER [FLAG …]]``: start a cluster to play with; it stays until SIGTERM or Ctrl-C.

Flags are kube-apiserver's.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster


def main(arguments: list[str]) -> int:
    """Start, say where, stay, stop. ``READY`` in the run folder holds the API server's URL once it serves."""
    run = Path(arguments[0]).absolute() if arguments else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if run:
        (run / "READY").unlink(missing_ok=True)
    with Cluster(binaries(), run, apiserver_flags=arguments[1:]) as cluster:
        (cluster.run / "READY").write_text(f"{cluster.url}\n")
        print(f"API server   {cluster.url}")
        print(f"run folder   {cluster.run}")
        print(f"kubeconfigs  {cluster.run / 'kubeconfig'}/NAME.kubeconfig:")
        print(f"             {' '.join(cluster.identities.all)}")
        print(f"try          export KUBECONFIG={cluster.kubeconfig()}", flush=True)
        try:
            while True:
                time.sleep(1)
                cluster.check()
        except KeyboardInterrupt:
            return 0
        finally:
            (cluster.run / "READY").unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
