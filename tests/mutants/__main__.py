"""Single faults put into the code, one at a time, and how many of them the like-named tests find: `make mutants`.

cosmic-ray makes the faults (`<` for `<=`, `and` for `or`, another number, …); each is tried in a copy of the tree, in a
child that runs `tests/LAYER/test_MODULE.py` only. Faults in annotations and decorators are left out: no test can see
them. The children are forks of a process that has imported everything but the package and its tests, and share one S3
server, which is started if a test file may need it. Properties draw few examples first; what survives is tried again
with as many as `make test` draws.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.mutants.faults import GROUPS, ROOT, Mutant, draw
from tests.mutants.reasons import compare
from tests.mutants.results import Results
from tests.mutants.trial import SharedServer, Trial


def report(mutants: list[Mutant], survivors: list[Mutant]) -> None:
    """Killed and all, by file and group."""
    lost = {id(mutant) for mutant in survivors}
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for mutant in mutants:
        for name in (mutant.path, mutant.group):
            tally[name][0] += id(mutant) not in lost
            tally[name][1] += 1
    for name, (killed, count) in sorted(tally.items(), key=lambda item: (item[0] in GROUPS, item[0])):
        print(f"{killed:5} of {count:5} killed ({100 * killed / count:5.1f} %)  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", default="500", help="how many faults of core/, or 'all'")
    parser.add_argument("--others", default="400", help="how many faults of transfers/ and objects/, or 'all'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="files whose path has this in it")
    parser.add_argument("--again", metavar="FILE", help="try only the survivors that an earlier run printed to FILE")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write how each ended to FILE, and do not try again what it knows"
    )
    parser.add_argument("--count", action="store_true", help="only say how many there are")
    args = parser.parse_args()
    wanted = (None if word == "all" else int(word) for word in (args.core, args.others))
    mutants = draw(dict(zip(GROUPS, wanted, strict=True)), args.seed, args.only)
    for name, count in Counter(mutant.group for mutant in mutants).items():
        print(f"# {count} faults of {name}, seed {args.seed}", flush=True)
    tried = mutants
    if args.again is not None:
        earlier = Path(args.again).read_text(encoding="utf-8").splitlines()
        left = {line[10:] for line in earlier if line.startswith(("survived  ", "no test   "))}
        tried = [mutant for mutant in mutants if mutant.shown() in left]
        print(f"# {len(tried)} of {len(left)} survivors of an earlier run are tried again", flush=True)
    if args.count:
        return 0
    if not tried:
        report(mutants, [])
        compare(mutants, [])
        return 0
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3am-mutants-")))
        trees = [place / str(number) for number in range(args.jobs)]
        for folder in ("s3amfs", "tests"):
            shutil.copytree(ROOT / folder, trees[0] / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", trees[0])
        plugins: list[Any] = []
        if any(mutant.group != "core" for mutant in tried):
            from s3amfs.demo.seaweed import SeaweedServer
            from tests.support.tls import Certificates

            (place / "certs").mkdir()
            certs = Certificates(place / "certs")
            server = stack.enter_context(SeaweedServer(tls=(str(certs.certificate), str(certs.key))))
            plugins.append(SharedServer(server, certs))
        survivors = Trial(tried, trees, plugins, args.seed, Results(args.results, tried)).run()
    report(mutants, survivors)
    compare(mutants, survivors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
