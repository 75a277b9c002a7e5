"""How good are topics that the encoder has never met? Runs the program itself on CLINC150's held-back intents.

    python judge_learn.py --data DATA --program ../../target/release/firstline [--draws 3]

Each draw takes `--rows` texts of every held-back intent (`data.held_intent`), runs `firstline learn` on them, and
reads the rest of these intents, other intents' texts and the `oos` rows with `firstline signals`, once with the heads
that were learned and once for each `--by-example` size with the texts in `topics.file` and no learning at all.

Printed, as mean and spread over the draws:
- `cv`, `rest`: accuracy as printed by `learn` (named and right), and the same on the rest of the rows;
- `alarms`: of the rest, those that are said to be about none of the topics;
- `none`, `oos`: of the texts of other intents, and of the `oos` rows, those that are said to be about none of them.
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import data as reading

FILE = "support/clinc150.jsonl.zst"
STRANGERS = 1500
MODELS = "models:\n  - {name: desk, tier: local, knowledge: []}\n"
SEED = 20261121


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def topics_said(program, folder, topics, texts):
    """The topic of every text under a configuration; None where it is none of them."""
    config = folder / "judge.yaml"
    config.write_text(f"version: 1\nname: judge\n{MODELS}topics: {json.dumps(topics)}\n")
    lines = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts))
    ran = subprocess.run(
        [program, "signals", "--config", config], input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line)["topic"]["label"] for line in ran.stdout.splitlines()]


def judge(said, own, others, oos):
    """Shares of what was said of the rest of the rows, of other intents' texts, and of the `oos` rows."""
    rest, others_said, oos_said = said[: len(own)], said[len(own) : len(own) + len(others)], said[-len(oos) :]
    right = sum(label == row["intent"] for label, row in zip(rest, own))
    return {
        "rest": right / len(own),
        "alarms": rest.count(None) / len(own),
        "none": others_said.count(None) / len(others),
        "oos": oos_said.count(None) / len(oos),
    }


def draw(rows, number, count):
    """Texts to learn from, by intent, and everything they are judged on."""
    lot = random.Random(SEED + number)
    mine, rest = {}, []
    for intent in sorted({row["intent"] for row in rows if reading.held_intent(row["intent"])} - {"oos"}):
        texts = [row for row in rows if row["intent"] == intent]
        lot.shuffle(texts)
        mine[intent] = [row["text"] for row in texts[:count]]
        rest += texts[count:]
    strangers = [row for row in rows if row["intent"] != "oos" and not reading.held_intent(row["intent"])]
    return mine, rest, lot.sample(strangers, min(STRANGERS, len(strangers)))


def one_draw(arguments, rows, number):
    program, found = arguments.program.resolve(), {}
    mine, rest, others = draw(rows, number, arguments.rows)
    oos = [row for row in rows if row["intent"] == "oos"]
    texts = [row["text"] for row in rest + others + oos]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        examples = folder / "examples.jsonl"
        jsonl(examples, [{"text": text, "topic": topic} for topic, said in mine.items() for text in said])
        command = [program, "learn", "--examples", examples, "--output", folder / "own", "--json"]
        began = time.monotonic()
        printed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        seconds = time.monotonic() - began
        said = topics_said(program, folder, {"learned": "own", "built_in": False}, texts)
        topics = printed["topics"]
        found["learned"] = judge(said, rest, others, oos) | {
            "cv": topics["named_and_right"]["value"],
            "cv_best": topics["accuracy"]["value"],
            "left_out": topics["left_out_topics_as_none"]["value"],
            "seconds": seconds,
        }
        for count in arguments.by_example:
            few = {topic: sorted(set(said))[:count] for topic, said in mine.items()}
            (folder / "few.yaml").write_text(json.dumps(few))
            said = topics_said(program, folder, {"file": "few.yaml", "built_in": False}, texts)
            found[f"{count} utterances"] = judge(said, rest, others, oos)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--program", type=Path, default=Path("../../target/release/firstline"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--by-example", type=int, nargs="*", default=[5, 20])
    arguments = parser.parse_args()
    rows = reading.read(arguments.data, FILE)
    draws = [one_draw(arguments, rows, number) for number in range(arguments.draws)]
    for way in draws[0]:
        figures = []
        for name in draws[0][way]:
            values = [found[way][name] for found in draws]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            figures.append(f"{name} {statistics.mean(values):.3f} (sd {spread:.3f})")
        print(f"{way:<14} " + "  ".join(figures))


if __name__ == "__main__":
    main()
