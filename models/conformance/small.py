"""Copies the exports that `cargo test` runs into the repository: `python small.py WORK ../../tests/models/families`."""

import json
import shutil
import sys
from pathlib import Path

CHOSEN = ["gpt_neox/optimum-int4", "phi/optimum-int4", "bert/optimum-f32", "distilbert/optimum-f16", "albert/optimum-f16"]
KEPT = [".onnx", ".data"]


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.suffix in KEPT or path.name in ["config.json", "tokenizer.json", "generation_config.json"]:
            shutil.copy(path, target / path.name)
    expected = json.loads((source / "expected.json").read_text())
    for case in expected["cases"]:
        if "likeliest" in case:
            case["log_probabilities"] = [step[0][1] for step in case.pop("likeliest")]
    (target / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


def main():
    work, target = map(Path, sys.argv[1:])
    for name in CHOSEN:
        copy(work / name, target / name.replace("/optimum", ""))


if __name__ == "__main__":
    main()
