"""Decode and prefill speed of the engine beside onnxruntime-genai and llama.cpp, in turns on one machine.

    python benches/decoder/run.py make  --work DIR           model folders and GGUF files of random weights
    python benches/decoder/run.py bench --work DIR           one table; `--rounds N` turns, medians
    python benches/decoder/run.py bench --work DIR --quick   the same table in about 25 minutes on two quiet cores

`--shape`, `--weights` and `--threads` choose rows. With `--quick` each engine measures each thing once a turn and writes 48 tokens
instead of 96, and several conversations and the encoder are measured in the first turn alone.

Two shapes, SmolLM2-135M and Qwen2.5-0.5B, each as int4 (blocks of 32 and of 128) and int8 for ONNX Runtime, Q4_0 and Q8_0 for
llama.cpp. Weights are random: speed does not depend on them. `make` needs torch, transformers, onnxruntime-genai, gguf and
llama-cpp-python in one environment, or the last two in another: `--llama PYTHON`. `bench` builds the engine's side with
`cargo bench --locked --bench decoder`.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHAPES = {
    "smollm2-135m": dict(kind="llama", hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, vocab_size=49152),
    "qwen2.5-0.5b": dict(kind="qwen2", hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                         num_key_value_heads=2, vocab_size=151936),
}
# name of the format: (precision of the builder, weights of a block that share a scale, the llama.cpp format of the same bits)
FORMATS = {"int4-128": ("int4", 128, "Q4_0"), "int4-32": ("int4", 32, "Q4_0"), "int8": ("int8", 32, "Q8_0")}
PROMPT, LONG = 64, 512
# tokens written, and how often each thing is measured in a turn
WHOLE, QUICK = (96, 5), (48, 1)


def make(options):
    for name, shape in SHAPES.items():
        source = options.work / name / "source"
        if not (source / "model.safetensors").exists():
            hub_folder(shape, source)
        for form, (precision, block, _) in FORMATS.items():
            folder = options.work / name / form
            if not (folder / "model.onnx").exists():
                words = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", folder, "-p", precision, "-e", "cpu"]
                words += ["-c", options.work / "cache", "--extra_options", f"block_size={block}", "accuracy_level=4"]
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            check_blocks(folder, block)
        subprocess.run([options.llama, __file__, "gguf", "--work", options.work / name, "--shape", name], check=True)


def check_blocks(folder, block):
    """The builder passes over options that it does not know."""
    import onnx

    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    found = {one.i for node in graph.node if node.op_type == "MatMulNBits" for one in node.attribute if one.name == "block_size"}
    if found != {block}:
        sys.exit(f"{folder}: its weights are in blocks of {found}, wanted {block}")


def hub_folder(shape, folder):
    """A folder as the hub has it: config, random weights, and a tokenizer that knows as many ids as the shape."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    fields = {key: value for key, value in shape.items() if key != "kind"}
    config_of, model_of = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[shape["kind"]]
    config = config_of(**fields, tie_word_embeddings=True, max_position_embeddings=2048, bos_token_id=1, eos_token_id=2)
    model_of(config).save_pretrained(folder)
    # The last is one that Qwen's tokenizer class would add by itself, beyond the rows of the matrix.
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "<|endoftext|>": 3}
    for byte in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[byte] = len(vocabulary)
    while len(vocabulary) < shape["vocab_size"]:
        vocabulary[f"w{len(vocabulary)}"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    names = dict(unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<|endoftext|>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)


def gguf_files(options):
    import ctypes

    import gguf
    import llama_cpp
    import numpy as np

    full = options.work / "f16.gguf"
    if not full.exists():
        random_gguf(gguf, np, SHAPES[options.shape], full)
    for form, kind in (("Q4_0", llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0), ("Q8_0", llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0)):
        target = options.work / f"{form}.gguf"
        if not target.exists():
            wishes = llama_cpp.llama_model_quantize_default_params()
            wishes.ftype, wishes.pure, wishes.nthread = kind, True, 1
            if llama_cpp.llama_model_quantize(str(full).encode(), str(target).encode(), ctypes.byref(wishes)):
                sys.exit(f"{target}: not made")


def random_gguf(gguf, np, shape, path):
    rng = np.random.default_rng(1)
    hidden, inner, layers = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
    heads, shared, vocabulary = shape["num_attention_heads"], shape["num_key_value_heads"], shape["vocab_size"]
    narrow = hidden // heads * shared
    writer = gguf.GGUFWriter(str(path), shape["kind"])
    writer.add_context_length(2048)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(shared)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(vocabulary)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_tokenizer_model("no_vocab")
    weight = lambda *size: (rng.standard_normal(size, np.float32) * 0.02).astype(np.float16)
    writer.add_tensor("token_embd.weight", weight(vocabulary, hidden))
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for layer in range(layers):
        block = f"blk.{layer}."
        for part, rows, columns in (("attn_q", hidden, hidden), ("attn_k", narrow, hidden), ("attn_v", narrow, hidden),
                                    ("attn_output", hidden, hidden), ("ffn_gate", inner, hidden), ("ffn_up", inner, hidden),
                                    ("ffn_down", hidden, inner)):
            writer.add_tensor(f"{block}{part}.weight", weight(rows, columns))
        if shape["kind"] == "qwen2":
            for part, rows in (("attn_q", hidden), ("attn_k", narrow), ("attn_v", narrow)):
                writer.add_tensor(f"{block}{part}.bias", np.zeros(rows, np.float32))
        for part in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{part}.weight", np.ones(hidden, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ------------------------------------------------------------------------------------------- measuring


def ours(program, folder, threads, words):
    """{"decode": tokens a second alone, "prefill": of the short prompt, ...} of the engine."""
    done = subprocess.run([program, str(folder), str(threads), *words], capture_output=True, text=True, check=True)
    out = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if "prefill" in row:
            out[f"prefill {row['prefill']}"] = row["tokens_per_second"]
        elif "conversations" in row:
            out[f"decode x{row['conversations']}"] = row["tokens_per_second"]
        elif "memory_gb_per_second" in row:
            out["memory"] = row["memory_gb_per_second"]
        else:
            out[f"{row['encoder']} p50 ms"], out[f"{row['encoder']} p99 ms"] = row["p50_ms"], row["p99_ms"]
    return out


def genai(folder, threads, pace):
    written, times = pace
    script = (
        "import sys, time, json, onnxruntime_genai as og\n"
        f"config = og.Config({str(folder)!r}); config.clear_providers()\n"
        f"config.overlay(json.dumps({{'model': {{'decoder': {{'session_options': {{'intra_op_num_threads': {threads}}}}}}}}}))\n"
        "model = og.Model(config); out = {}\n"
        "def run(prompt, written):\n"
        "    params = og.GeneratorParams(model); params.set_search_options(max_length=prompt + written + 2, min_length=prompt + written + 1, do_sample=False)\n"
        "    g = og.Generator(model, params); ids = [1000 + (at * 37) % 20000 for at in range(prompt)]\n"
        "    start = time.perf_counter(); g.append_tokens(ids); g.generate_next_token(); first = time.perf_counter() - start\n"
        "    start = time.perf_counter()\n"
        "    for _ in range(written): g.generate_next_token()\n"
        "    return prompt / first, written / max(1e-9, time.perf_counter() - start)\n"
        f"run({PROMPT}, 8); rows = [run({PROMPT}, {written}) for _ in range({times})]; long = [run({LONG}, 1) for _ in range({times})]\n"
        "median = lambda v: sorted(v)[len(v) // 2]\n"
        f"print(json.dumps({{'prefill {PROMPT}': median([r[0] for r in rows]), 'decode x1': median([r[1] for r in rows]), 'prefill {LONG}': median([r[0] for r in long])}}))\n"
    )
    return json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def llama(python, path, threads, pace):
    """What the C library does, called with as little in between as can be."""
    written, times = pace
    script = (
        "import ctypes, json, time, llama_cpp as L\n"
        "quiet = L.llama_log_callback(lambda *_: None); L.llama_log_set(quiet, ctypes.c_void_p(0)); L.llama_backend_init()\n"
        f"model = L.llama_model_load_from_file({str(path)!r}.encode(), L.llama_model_default_params())\n"
        "wishes = L.llama_context_default_params(); wishes.n_ctx, wishes.n_batch, wishes.n_ubatch = 1024, 512, 512\n"
        f"wishes.n_threads = wishes.n_threads_batch = {threads}\n"
        "context = L.llama_init_from_model(model, wishes)\n"
        "def feed(ids):\n"
        "    row = (L.llama_token * len(ids))(*ids); assert L.llama_decode(context, L.llama_batch_get_one(row, len(ids))) == 0\n"
        "    L.llama_get_logits_ith(context, -1)\n"
        "def run(prompt, written):\n"
        "    L.llama_memory_clear(L.llama_get_memory(context), True)\n"
        "    start = time.perf_counter(); feed([1000 + at * 37 % 20000 for at in range(prompt)]); first = time.perf_counter() - start\n"
        "    start = time.perf_counter()\n"
        "    for at in range(written): feed([1000 + at])\n"
        "    return prompt / first, written / max(1e-9, time.perf_counter() - start)\n"
        f"run({PROMPT}, 8); rows = [run({PROMPT}, {written}) for _ in range({times})]; long = [run({LONG}, 1) for _ in range({times})]\n"
        "median = lambda v: sorted(v)[len(v) // 2]\n"
        f"print(json.dumps({{'prefill {PROMPT}': median([r[0] for r in rows]), 'decode x1': median([r[1] for r in rows]), 'prefill {LONG}': median([r[0] for r in long])}}))\n"
    )
    return json.loads(subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def bench(options):
    built = subprocess.run(["cargo", "bench", "--locked", "--bench", "decoder", "--no-run"], capture_output=True, text=True, check=True)
    program = re.search(r"\((target/release/deps/decoder-[0-9a-f]+)\)", built.stderr).group(1)
    pace, words = (QUICK, ["quick"]) if options.quick else (WHOLE, [])
    print(HEAD, flush=True)
    for name in [options.shape] if options.shape else SHAPES:
        for form in options.weights:
            precision, block, theirs = FORMATS[form]
            for threads in options.threads:
                runs = []
                for turn in range(options.rounds):
                    folder = options.work / name / form
                    more = [*words, "alone"] if options.quick and turn else words
                    runs.append({"firstline": ours(program, folder, threads, more), "genai": genai(folder, threads, pace),
                                 "llama.cpp": llama(options.llama, options.work / name / f"{theirs}.gguf", threads, pace)})
                row((name, form, threads), weight_bytes(SHAPES[name], int(precision[3:]), block), runs)


HEAD = """| shape | weights | threads | decode | prefill 64 | prefill 512 | first token at 512, ms | decode together | encoder p50 | encoder p99 | of memory |
|---|---|--:|---|---|---|---|---|---|---|--:|"""


def weight_bytes(shape, bits, block):
    """Bytes that a step of one token reads: every matrix once, the head included, with a float for each block's scale."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    narrow = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * inner
    return (shape["num_hidden_layers"] * layer + shape["vocab_size"] * hidden) * (bits / 8 + 4 / block)


def row(names, bytes_read, runs):
    """One line of the table: medians, ours over the best of the others in the same turn, and the share of what memory could give."""
    engines = ("firstline", "genai", "llama.cpp")

    def middle(who, what):
        found = [run[who][what] for run in runs if what in run[who]]
        return statistics.median(found) if found else float("nan")

    cells = []
    for what in ("decode x1", f"prefill {PROMPT}", f"prefill {LONG}"):
        ratio = statistics.median(run["firstline"][what] / max(run["genai"][what], run["llama.cpp"][what]) for run in runs)
        cells.append(" / ".join(f"{middle(who, what):.0f}" for who in engines) + f" ({ratio:.2f})")
    cells.append(" / ".join(f"{1000 * LONG / middle(who, f'prefill {LONG}'):.0f}" for who in engines))
    cells.append(" / ".join(f"{middle('firstline', f'decode x{n}'):.0f}" for n in (1, 2, 4, 8)))
    for share in ("p50", "p99"):
        cells.append(f"{middle('firstline', f'quiet {share} ms'):.2f} → {middle('firstline', f'beside_a_decoder {share} ms'):.2f}")
    used = [run["firstline"]["decode x1"] * bytes_read / 1e9 / run["firstline"]["memory"] for run in runs]
    cells.append(f"{statistics.median(used):.2f} of {middle('firstline', 'memory'):.1f} GB/s")
    print("| " + " | ".join(map(str, names)) + " | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["make", "gguf", "bench"], help="`gguf` is what `make` calls for the files of llama.cpp")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--llama", default=sys.executable, help="the Python that has llama-cpp-python and gguf")
    parser.add_argument("--shape", choices=list(SHAPES), help="only this one")
    parser.add_argument("--weights", choices=list(FORMATS), nargs="+", default=list(FORMATS))
    parser.add_argument("--quick", action="store_true", help="each thing once a turn")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    started = time.monotonic()
    {"make": make, "gguf": gguf_files, "bench": bench}[options.what](options)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
