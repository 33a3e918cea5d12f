"""`python -m benchmarks.tail`: one request in a hundred is 20 times slower; what `core/lag.py` makes of it, by seed.

Simulated transfers, without network or clock: parts over slots, each attempt with a time that scatters a little, and
one in a hundred (`--share`) that takes `--times` as long. The same transfer is played with no slow attempt, with slow
ones and nothing done about them, and with parts asked for again, twice a second, as `engine/stragglers.py` does.
Printed are walls as multiples of the undisturbed one, and the bytes that were sent twice.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import sys
from dataclasses import dataclass

from s3amfs.core.lag import LEAST_DONE, LagWatch, Running

LOOK_SECONDS = 0.5
LENGTH = 8 * 1024 * 1024
SCATTER = 0.2


@dataclass(frozen=True)
class Outcome:
    seconds: float
    extra: float
    """Bytes sent in vain, as a share of all."""
    finished: int
    """Ends of parts; each part has one."""
    asked_again: int


@dataclass
class _Attempt:
    began: float
    seconds: float
    number: int

    def running(self, now: float) -> Running:
        moved = min(LENGTH, int(LENGTH * (now - self.began) / self.seconds))
        return Running(self.number, LENGTH, moved, now - self.began)


def play(parts: int, slots: int, seed: int, *, share: float, times: float, usual: float, asks_again: bool) -> Outcome:
    """One transfer of `parts` parts. share: of the attempts that take `times` as long. usual: seconds of a part."""
    drawn = random.Random(seed)
    watch = LagWatch()
    waiting = list(range(parts, 0, -1))
    active: dict[int, _Attempt] = {}
    ends: list[tuple[float, int, _Attempt]] = []
    now, lost, finished, again, count = 0.0, 0, 0, 0, 0
    next_look = float("inf")

    def begin(number: int) -> None:
        nonlocal count
        count += 1
        seconds = usual * drawn.uniform(1 - SCATTER, 1 + SCATTER) * (times if drawn.random() < share else 1.0)
        active[number] = _Attempt(now, seconds, number)
        heapq.heappush(ends, (now + seconds, count, active[number]))

    while waiting or active:
        while waiting and len(active) < slots:
            begin(waiting.pop())
        while active.get(ends[0][2].number) is not ends[0][2]:
            heapq.heappop(ends)  # cut
        if next_look < ends[0][0]:
            now, next_look = next_look, next_look + LOOK_SECONDS
            for number in watch.lagging([attempt.running(now) for attempt in active.values()]):
                lost += active.pop(number).running(now).moved
                again += 1
                begin(number)
            continue
        now, _, attempt = heapq.heappop(ends)
        del active[attempt.number]
        watch.done(attempt.number, LENGTH, attempt.seconds)
        finished += 1
        if finished == LEAST_DONE and asks_again:
            next_look = now + LOOK_SECONDS
    return Outcome(now, lost / (parts * LENGTH), finished, again)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tail", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--parts", type=int, default=512)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--share", type=float, default=0.01, help="of the attempts that are slow")
    parser.add_argument("--times", type=float, default=20.0, help="as long as usual, for slow ones")
    parser.add_argument("--usual", type=float, default=2.0, help="seconds of a part")
    args = parser.parse_args()
    left, done, extra, wrong, again = [], [], [], 0, 0
    for seed in range(args.seeds):

        def run(share: float, *, asks_again: bool, seed: int = seed) -> Outcome:
            times, usual = args.times, args.usual
            return play(args.parts, args.slots, seed, share=share, times=times, usual=usual, asks_again=asks_again)

        even = run(0.0, asks_again=False)
        left.append(run(args.share, asks_again=False).seconds / even.seconds)
        outcome = run(args.share, asks_again=True)
        done.append(outcome.seconds / even.seconds)
        extra.append(outcome.extra)
        again += outcome.asked_again
        wrong += outcome.finished != args.parts
    print("| | median | 95 % below | worst |")
    print("|---|---|---|---|")
    for name, values in (("left alone", left), ("asked again", done), ("extra bytes", extra)):
        ordered = sorted(values)
        most = ordered[int(0.95 * len(ordered))]
        print(f"| {name} | {statistics.median(ordered):.3f} | {most:.3f} | {ordered[-1]:.3f} |")
    print(f"{args.seeds} seeds, {again} parts asked again, {wrong} transfers with a part that did not end exactly once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
