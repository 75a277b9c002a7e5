"""Writes tiny random models in GGUF, for llama.cpp's server to serve: `python make_gguf.py FOLDER`.

Two architectures: Llama, and OpenELM, which no ONNX exporter serves. The vocabulary is the 256 bytes, two special tokens and
a few merges; the chat template says the last message and nothing else.
"""

import sys
from pathlib import Path

import gguf
import numpy

HIDDEN, LAYERS, HEAD, CONTEXT = 64, 2, 16, 512
TEMPLATE = "{{ messages[-1]['content'] }}"
MERGES = ["t h", "e r", "o n", "Ġ t", "th e"]


def byte_letters():
    """GPT-2's letters for bytes: those that print stand for themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, free = {}, 256
    for byte in range(256):
        letters[byte] = chr(byte) if byte in plain else chr(free)
        free += byte not in plain
    return [letters[byte] for byte in range(256)]


def add_vocabulary(writer):
    tokens = [*byte_letters(), *(merge.replace(" ", "") for merge in MERGES), "<|endoftext|>", "<|im_end|>"]
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - 2) + [gguf.TokenType.CONTROL] * 2
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    return len(tokens)


def begin(path, architecture, seed):
    writer = gguf.GGUFWriter(str(path), architecture)
    generator = numpy.random.default_rng(seed)
    vocabulary = add_vocabulary(writer)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(0)

    def weights(name, *shape):
        spread = 0.4 if "embd" in name else 4.0 / shape[-1] ** 0.5
        drawn = generator.normal(0, spread, shape).astype(numpy.float32)
        if name in ["token_embd.weight", "output.weight"]:
            # The tokens that end an answer are hardly ever said.
            drawn[-2:] *= 0.05
        writer.add_tensor(name, drawn)

    def norm(name, size):
        writer.add_tensor(name, numpy.ones(size, numpy.float32))

    weights("token_embd.weight", vocabulary, HIDDEN)
    norm("output_norm.weight", HIDDEN)
    return writer, weights, norm


def end(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama(path):
    writer, weights, norm = begin(path, "llama", 1)
    heads, kv_heads, inner = 4, 2, 128
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_feed_forward_length(inner)
    writer.add_rope_dimension_count(HEAD)
    weights("output.weight", len(byte_letters()) + len(MERGES) + 2, HIDDEN)
    for layer in range(LAYERS):
        name = f"blk.{layer}."
        norm(name + "attn_norm.weight", HIDDEN)
        norm(name + "ffn_norm.weight", HIDDEN)
        weights(name + "attn_q.weight", heads * HEAD, HIDDEN)
        weights(name + "attn_k.weight", kv_heads * HEAD, HIDDEN)
        weights(name + "attn_v.weight", kv_heads * HEAD, HIDDEN)
        weights(name + "attn_output.weight", HIDDEN, heads * HEAD)
        weights(name + "ffn_gate.weight", inner, HIDDEN)
        weights(name + "ffn_up.weight", inner, HIDDEN)
        weights(name + "ffn_down.weight", HIDDEN, inner)
    end(writer)


def openelm(path):
    """Each layer has its own number of heads and its own width, as in OpenELM."""
    writer, weights, norm = begin(path, "openelm", 2)
    heads, kv_heads, inner = [4, 8], [1, 2], [64, 128]
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_feed_forward_length(inner)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10000.0)
    for layer in range(LAYERS):
        name, all_heads = f"blk.{layer}.", heads[layer] + 2 * kv_heads[layer]
        norm(name + "attn_norm.weight", HIDDEN)
        norm(name + "ffn_norm.weight", HIDDEN)
        norm(name + "attn_q_norm.weight", HEAD)
        norm(name + "attn_k_norm.weight", HEAD)
        weights(name + "attn_qkv.weight", all_heads * HEAD, HIDDEN)
        weights(name + "attn_output.weight", HIDDEN, heads[layer] * HEAD)
        weights(name + "ffn_gate.weight", inner[layer], HIDDEN)
        weights(name + "ffn_up.weight", inner[layer], HIDDEN)
        weights(name + "ffn_down.weight", HIDDEN, inner[layer])
    end(writer)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    llama(folder / "llama.gguf")
    openelm(folder / "openelm.gguf")


if __name__ == "__main__":
    main()
