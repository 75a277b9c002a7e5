"""A plain loop over ONNX Runtime: one conversation, keys and values handed on. What a graph itself says."""

import functools
import json

import numpy
import onnxruntime
from families import CONTEXT

GRAPHS = ["model.onnx", "model_q4.onnx", "model_quantized.onnx", "model_fp16.onnx"]
TYPES = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}
# As many tokens of a prompt as the engine reads at once: dynamic quantisation depends on what is read together.
CHUNK = 64


@functools.lru_cache(maxsize=2)
def session(folder):
    graph = next(folder / name for name in GRAPHS if (folder / name).exists())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def fixed(axis):
    """The size that a graph states, as a number or as a name that is one."""
    return int(axis) if str(axis).isdigit() else None


def empty(one, folder):
    """Keys or values of nothing."""
    heads, width = one.shape[1], one.shape[3]
    config = json.loads((folder / "config.json").read_text())
    heads = fixed(heads) or config.get("num_key_value_heads") or config["num_attention_heads"]
    width = fixed(width) or config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    # The builder's graphs write into a buffer that is long enough from the beginning.
    room = CONTEXT if (folder / "genai_config.json").exists() else 0
    return numpy.zeros((1, heads, room, width), TYPES[one.type])


def decode(folder, prompt, most, end):
    """Greedy tokens, the end of turn not among them, and for each its lead over the second."""
    run = session(folder)
    past = {one.name: empty(one, folder) for one in run.get_inputs() if "past" in one.name}
    outputs = [one.name for one in run.get_outputs()]
    presents = [name for name in outputs if name != "logits"]
    waiting, read, tokens, margins = list(prompt), 0, [], []
    while len(tokens) < most:
        part, waiting = waiting[:CHUNK], waiting[CHUNK:]
        inputs = dict(past)
        inputs["input_ids"] = numpy.array([part], numpy.int64)
        inputs["attention_mask"] = numpy.ones((1, read + len(part)), numpy.int64)
        inputs["position_ids"] = numpy.arange(read, read + len(part), dtype=numpy.int64)[None]
        wanted = {one.name for one in run.get_inputs()}
        found = dict(zip(outputs, run.run(None, {name: value for name, value in inputs.items() if name in wanted})))
        past = dict(zip(past, (found[name] for name in presents)))
        read += len(part)
        if waiting:
            continue
        row = found["logits"][0, -1].astype(numpy.float64)
        order = numpy.argsort(-row)
        if int(order[0]) == end:
            break
        tokens.append(int(order[0]))
        margins.append(row[order[0]] - row[order[1]])
        waiting = [tokens[-1]]
    return tokens, margins


def encode(folder, ids):
    run = session(folder)
    content = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
    inputs = {one.name: numpy.array([content[one.name]], numpy.int64) for one in run.get_inputs()}
    return run.run(None, inputs)[0][0].astype(numpy.float64).tolist()
