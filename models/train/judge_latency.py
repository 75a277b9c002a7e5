"""What one pass of the shipped encoder costs beside one of another shape, in turns, so that a busy machine slows both alike.

    python judge_latency.py [--model ../firstline-encoder] [--work FOLDER]

The other is 3 layers × 256, inner 1024, vocabulary 8,000, random weights, int8 in the same way: the shape that took 0.76 ms at 32
tokens and 7.5 ms at 256 on a core with AVX-512 VNNI. One thread, batch 1, tokenising not included.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import encoder
import export

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY = 3, 256, 1024, 8, 8000


def reference(folder):
    """The other shape as an int8 file."""
    torch.manual_seed(0)
    encoder.HIDDEN, encoder.VOCABULARY = HIDDEN, VOCABULARY
    path = folder / "reference.onnx"
    export.export_int8(encoder.Encoder(LAYERS, HEADS, INNER), path)
    return path


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def in_turns(sessions, tokens, rounds=300):
    """The median milliseconds of each."""
    ids = np.random.default_rng(0).integers(1000, 7000, (1, tokens)).astype(np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    times = [[] for _ in sessions]
    for _ in range(rounds):
        for one, seen in zip(sessions, times):
            started = time.perf_counter()
            one.run(None, feed)
            seen.append((time.perf_counter() - started) * 1e3)
    return [float(np.median(seen)) for seen in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("../firstline-encoder"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "firstline-train")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)
    sessions = [session(options.model / "encoder.onnx"), session(reference(options.work))]
    print("| tokens | shipped, ms | 3 × 256 × 1024, ms | shipped / other |\n|---|---|---|---|")
    for tokens in (8, 32, 128, 256):
        shipped, other = in_turns(sessions, tokens)
        print(f"| {tokens} | {shipped:.2f} | {other:.2f} | {shipped / other:.2f} |", flush=True)


if __name__ == "__main__":
    main()
