"""``python -m fuzz``: look for inputs that a reader or a decoder cannot take."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz.fuzzer import Find, Report, fuzz
from fuzz.patterns import slow_patterns
from fuzz.targets import TARGETS, Target


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point. Returns 1 where something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Look for inputs that a reader or a decoder cannot take.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all by default: {', '.join(_by_name())}")
    parser.add_argument("--inputs", type=int, default=100_000, help="in all, shared out by the targets' weight")
    parser.add_argument("--seconds", type=float, help="at most so long for each target")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same inputs")
    parser.add_argument("--finds", type=Path, default=Path("fuzz/finds"), help="folder for the inputs that failed")
    parser.add_argument("--patterns", action="store_true", help="try every regular expression instead")
    options = parser.parse_args(argv)
    if options.patterns:
        return _patterns(options.seed)
    unknown = [name for name in options.targets if name not in _by_name()]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    chosen = [_by_name()[name] for name in options.targets or _by_name()]
    shares = sum(target.share for target in chosen)
    reports: list[Report] = []
    for target in chosen:
        report = fuzz(
            target,
            inputs=max(options.inputs * target.share // shares, 1),
            seed=options.seed,
            seconds=options.seconds,
            found=lambda find: _keep(find, options.finds),
        )
        reports.append(report)
        sys.stdout.write(
            f"{report.target:<18}{report.inputs:>9} inputs {report.seconds:>8.1f} s {report.reached:>6} places reached"
            f" {report.corpus:>6} kept {len(report.finds):>4} finds\n"
        )
        sys.stdout.flush()
    inputs, seconds = sum(one.inputs for one in reports), sum(one.seconds for one in reports)
    finds = sum(len(one.finds) for one in reports)
    sys.stdout.write(f"{'in all':<18}{inputs:>9} inputs {seconds:>8.1f} s {finds:>40} finds\n")
    return 1 if finds else 0


def _patterns(seed: int) -> int:
    slow = 0
    for one in slow_patterns(seed):
        slow += 1
        sys.stdout.write(
            f"{one.place}: {one.milliseconds:.0f} ms for 8000 characters\n  {one.pattern[:200]!r}\n"
            f"  {one.before[-60:]!r}, {one.unit[:100]!r} repeated, {one.after!r}\n"
        )
        sys.stdout.flush()
    return 1 if slow else 0


def _by_name() -> dict[str, Target]:
    return {target.name: target for target in TARGETS}


def _keep(find: Find, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{find.target}-{hashlib.sha256(find.place.encode()).hexdigest()[:8]}"
    (folder / f"{name}.bin").write_bytes(find.data)
    (folder / f"{name}.txt").write_text(f"{find.place}\n{find.told}\n{find.data[:2000]!r}\n", "utf-8", "replace")
    sys.stdout.write(f"  {find.target}: {find.place} ({len(find.data)} bytes) -> {folder / name}.bin\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
