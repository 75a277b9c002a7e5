"""How often approved answers are given rightly, on the ten judging businesses of `bases/`, by the gateway's own code.

    python judge_desk.py --firstline target/release/firstline [--bases DIR]

Each business becomes a file of approved answers and a file of questions, and `firstline knowledge test` puts the one to the other with the
defaults. Printed are, by the least score, what was answered rightly and wrongly and what uncovered questions were answered; the last
line is the default. Nothing in the gateway was fitted to these businesses (`desk.side`). With `--encoder-only` the desk model is left out.
Intervals are bootstrapped over businesses.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import desk

THRESHOLDS = (0.95, 0.9, 0.81, 0.7, 0.6, 0.5)


def results_of(firstline, base, folder, close_reading):
    """The gateway's verdict on each question of one business."""
    lines = [{"id": e["id"], "questions": e["questions"], "answer": e["answer"], "language": "en"} for e in base["entries"]]
    written(folder / "answers.jsonl", lines)
    asks = [{"text": text, "expect": e["id"]} for e in base["entries"] for text in e["asked"]]
    asks += [{"text": miss["text"], "expect": None} for miss in base["uncovered"]]
    written(folder / "questions.jsonl", asks)
    config = "version: 1\nname: judge\nmodels: [{name: desk, tier: local, knowledge: [answers.jsonl]}]\n"
    config += f"encoder: {{close_reading: {str(close_reading).lower()}}}\n"
    (folder / "firstline.yaml").write_text(config, encoding="utf-8")
    words = [firstline, "knowledge", "test", folder / "questions.jsonl", "--config", folder / "firstline.yaml", "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(done.stderr)
    return [result(row) for row in json.loads(done.stdout)["questions"]]


def result(row):
    first = row["first"] or {}
    given = row["verdict"] in ("hit", "wrong", "uncovered")
    return {"expect": row["expect"], "first": first.get("id"), "score": first.get("score", 0.0), "given": given}


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def counts(results, given):
    """Shares of the covered answered rightly, of the answers to covered ones that are wrong, and of the uncovered answered."""
    covered = [r for r in results if r["expect"]]
    uncovered = [r for r in results if not r["expect"]]
    answered = [r for r in covered if given(r)]
    right = [r for r in answered if r["first"] == r["expect"]]
    return (len(right) / len(covered), 1 - len(right) / max(1, len(answered)), sum(map(given, uncovered)) / len(uncovered))


def interval(values):
    ordered = sorted(values)
    return f"[{ordered[len(ordered) // 40]:.3f}, {ordered[-len(ordered) // 40 - 1]:.3f}]"


def line(name, bases, given):
    rng = random.Random(1)
    whole = counts([r for base in bases for r in base], given)
    draws = [counts([r for base in rng.choices(bases, k=len(bases)) for r in base], given) for _ in range(400)]
    cells = [f"{value:.3f} {interval([draw[n] for draw in draws])}" for n, value in enumerate(whole)]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--firstline", required=True)
    parser.add_argument("--bases", type=Path, default=desk.BASES)
    parser.add_argument("--encoder-only", action="store_true")
    options = parser.parse_args()
    bases = []
    for path in sorted(path for path in options.bases.glob("*.json") if desk.side(path.stem) == "judge"):
        with tempfile.TemporaryDirectory() as folder:
            bases.append(results_of(options.firstline, json.loads(path.read_text(encoding="utf-8")), Path(folder), not options.encoder_only))
    rows = [r for base in bases for r in base]
    first = [r["first"] == r["expect"] for r in rows if r["expect"]]
    print(f"{len(bases)} businesses, {len(first)} covered questions, {len(rows) - len(first)} uncovered; the right entry comes first for {sum(first) / len(first):.3f}")
    print("| least score | answered rightly, of the covered | of these answers wrong | uncovered answered |")
    print("|--:|--:|--:|--:|")
    for least in THRESHOLDS:
        line(f"{least:.2f}", bases, lambda r: r["score"] >= least)
    line("default", bases, lambda r: r["given"])


if __name__ == "__main__":
    main()
