"""Records the fixtures of all rules, or of those that are named: ``python -m tests.cluster.recordings [RULE …]``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import CASES, Case, arrange


def main(wanted: list[str]) -> int:
    """Record ``wanted`` rules, or all; 1 when some could not be."""
    for module in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"tests.cluster.recordings.{module.stem}")
    chosen = [(case, alone) for rules, case, alone in CASES if not wanted or set(rules) & set(wanted)]
    failed = 0
    shared = [case for case, alone in chosen if alone is None]
    if shared:
        with Cluster(binaries()) as cluster:
            arrange(cluster)
            recorder = Recorder(cluster)
            for case in shared:
                failed += _recorded(case, recorder)
    for case, alone in chosen:
        if alone is not None:
            with Cluster(binaries(), apiserver_flags=alone, nodes=False) as cluster:
                arrange(cluster)
                failed += _recorded(case, Recorder(cluster))
    return 1 if failed else 0


def _recorded(case: Case, recorder: Recorder) -> int:
    try:
        case(recorder)
    except Exception as error:
        print(f"{case.__name__}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
