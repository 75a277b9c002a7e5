"""Whether the promise about local answers holds on real outcomes: many random draws of held-out rows.

    python models/train/promise.py --data DATA --firstline target/release/firstline [--draws 300]

Rows that no training step has seen (`data.held_out`) are the traffic, scored by the shipped complexity head through
`firstline signals`. A row's local answer is good enough with the probability that its small models' mean score states: what
a model of that class, taken at random, would get. Each draw takes rows at random, judges their answers by that probability
and runs `firstline calibrate`; the promise is broken where the threshold's true rate, known over all rows, is above it.
"""

import argparse
import json
import random
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import data


def scored(program, rows):
    """The complexity of each text, by `firstline signals`."""
    lines = "\n".join(json.dumps({"id": i, "text": row["text"]}) for i, row in enumerate(rows))
    done = subprocess.run([program, "signals"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line)["complexity"] for line in done.stdout.splitlines()]


def calibrated(program, outcomes, error, confidence):
    """The threshold for these outcomes; None where there is none."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"complexity": c, "local_ok": ok}) + "\n" for c, ok in outcomes)
        file.flush()
        command = [program, "calibrate", "--outcomes", file.name, "--max-local-error", str(error),
                   "--confidence", str(confidence), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout)["threshold"]


def draw(program, traffic, seed, size, error, confidence):
    """One draw: was the promise broken, and what share of the traffic is answered locally."""
    lot = random.Random(seed)
    rows = lot.choices(traffic, k=size)
    threshold = calibrated(program, [(c, lot.random() < good) for c, good in rows], error, confidence)
    local = [good for c, good in traffic if threshold is not None and c <= threshold]
    if not local:
        return False, 0.0
    return 1 - sum(local) / len(local) > error, len(local) / len(traffic)


def most_local(traffic, error):
    """The largest share that whoever knew every rate could answer locally, by a threshold, and keep the promise."""
    best, bad = 0, 0.0
    for count, (_, good) in enumerate(sorted(traffic), 1):
        bad += 1 - good
        if bad / count <= error:
            best = count
    return best / len(traffic)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--firstline", required=True)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--errors", type=float, nargs="+", default=[0.45, 0.5, 0.55])
    parser.add_argument("--confidence", type=float, default=0.95)
    asked = parser.parse_args()
    rows = [row for row in data.routing_rows(asked.data) if row["held_out"]]
    traffic = list(zip(scored(asked.firstline, rows), (row["small"] for row in rows)))
    bad = 1 - sum(good for _, good in traffic) / len(traffic)
    print(f"{len(traffic)} held-out rows; the local answer is not good enough in {bad:.3f} of them", flush=True)
    print("| promised error | outcomes | draws | broken | allowed | infeasible | answered locally | at best |")
    print("|---|---|---|---|---|---|---|---|")
    for error in asked.errors:
        for size in asked.sizes:
            with ThreadPoolExecutor(2) as pool:
                one = partial(draw, asked.firstline, traffic, size=size, error=error, confidence=asked.confidence)
                results = list(pool.map(one, range(asked.draws)))
            broken = sum(was for was, _ in results) / len(results)
            none = sum(share == 0 for _, share in results) / len(results)
            share = sum(share for _, share in results) / len(results)
            print(f"| {error} | {size} | {asked.draws} | {broken:.3f} | {1 - asked.confidence:.2f} | {none:.3f} | "
                  f"{share:.3f} | {most_local(traffic, error):.3f} |", flush=True)


if __name__ == "__main__":
    main()
