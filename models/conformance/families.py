"""The families that the conformance matrix has a row for: a tiny configuration of each architecture.

A row's `exporters` are tried in this order; every one that serves the family gives columns of its own. The sizes are as
small as ONNX Runtime's kernels take: head sizes are multiples of 16, other sizes of 32 (a block of int4).
"""

from dataclasses import dataclass, field

import transformers

VOCABULARY = 512
CONTEXT = 256
LABELS = 3


@dataclass(frozen=True)
class Family:
    """One architecture. `like` says which published models have it."""

    name: str
    like: str
    config: object
    exporters: tuple
    notes: str = ""
    options: dict = field(default_factory=dict)


def decoder(kind, **changes):
    """A configuration with grouped heads where the architecture has them."""
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "vocab_size": VOCABULARY,
    }
    return lambda: getattr(transformers, kind)(**{**sizes, **changes})


def gpt2():
    return transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=CONTEXT, vocab_size=VOCABULARY)


def encoder(kind, **changes):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    common = {"vocab_size": VOCABULARY, "max_position_embeddings": 128, "num_labels": LABELS}
    return lambda: getattr(transformers, kind)(**{**sizes, **common, **changes})


def distilbert():
    return transformers.DistilBertConfig(
        dim=32, hidden_dim=64, n_layers=2, n_heads=4, vocab_size=VOCABULARY, max_position_embeddings=128, num_labels=LABELS
    )


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.0, 1.1, 1.1, 1.2, 1.2, 1.3, 1.3],
    "long_factor": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0],
    "original_max_position_embeddings": 64,
}
ALL = ("genai", "optimum", "transformers")

DECODERS = [
    Family("gpt2", "GPT-2, DistilGPT-2", gpt2, ("optimum", "transformers")),
    Family(
        "gpt_neox",
        "Pythia, GPT-NeoX",
        decoder("GPTNeoXConfig", rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}),
        ("optimum", "transformers"),
    ),
    Family("phi", "Phi-1.5, Phi-2", decoder("PhiConfig", num_attention_heads=2, num_key_value_heads=2), ALL),
    Family(
        "phi3",
        "Phi-3 mini 4k",
        decoder("Phi3Config", original_max_position_embeddings=CONTEXT, pad_token_id=0),
        ALL,
    ),
    Family(
        "phi3_long",
        "Phi-3.5 mini, Phi-3 mini 128k (LongRoPE)",
        decoder("Phi3Config", original_max_position_embeddings=64, rope_parameters=LONG_ROPE, pad_token_id=0),
        ALL,
    ),
    Family("llama", "Llama 2 and 3, TinyLlama, SmolLM2", decoder("LlamaConfig"), ALL),
    Family(
        "llama32",
        "Llama 3.1 and 3.2, DeepSeek-R1-Distill-Llama (scaled rotary positions)",
        decoder("LlamaConfig", rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True),
        ALL,
    ),
    Family("smollm2", "SmolLM2 (tied, rope theta 100000)", decoder(
        "LlamaConfig", rope_parameters={"rope_type": "default", "rope_theta": 100000.0}, tie_word_embeddings=True), ALL),
    Family("qwen2", "Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen", decoder("Qwen2Config", tie_word_embeddings=True), ALL),
    Family("qwen3", "Qwen3", decoder("Qwen3Config", head_dim=16), ALL),
    Family("gemma", "Gemma", decoder("GemmaConfig", head_dim=16, num_key_value_heads=1), ALL),
    Family("gemma2", "Gemma 2", decoder("Gemma2Config", head_dim=16, sliding_window=CONTEXT, query_pre_attn_scalar=16), ALL),
    Family("mistral", "Mistral 7B v0.3", decoder("MistralConfig", sliding_window=None), ALL),
    Family("mistral_window", "Mistral 7B v0.1 (sliding window)", decoder("MistralConfig", sliding_window=32), ALL),
    Family(
        "ministral",
        "Ministral (windows in some layers); Ministral 8B as published is Mistral",
        decoder(
            "MinistralConfig",
            head_dim=16,
            sliding_window=32,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        ALL,
    ),
    Family("mixtral", "Mixtral", decoder("MixtralConfig", num_local_experts=4, num_experts_per_tok=2), ALL),
    Family(
        "granite",
        "Granite 3",
        decoder(
            "GraniteConfig",
            embedding_multiplier=2.0,
            logits_scaling=2.0,
            residual_multiplier=0.8,
            attention_multiplier=0.2,
        ),
        ALL,
    ),
    Family("smollm3", "SmolLM3", decoder("SmolLM3Config", pad_token_id=0), ALL),
]

ENCODERS = [
    Family("distilbert", "DistilBERT", distilbert, ("optimum", "transformers")),
    Family("bert", "BERT, TinyBERT, MiniLM", encoder("BertConfig"), ("optimum", "transformers")),
    Family("albert", "ALBERT", encoder("AlbertConfig", embedding_size=16), ("optimum", "transformers")),
    Family(
        "mobilebert",
        "MobileBERT",
        encoder("MobileBertConfig", embedding_size=32, intra_bottleneck_size=32, num_feedforward_networks=2),
        ("optimum", "transformers"),
    ),
    Family("roberta", "RoBERTa", encoder("RobertaConfig", pad_token_id=1), ("optimum", "transformers")),
    Family(
        "modernbert",
        "ModernBERT",
        encoder("ModernBertConfig", pad_token_id=0, local_attention=64),
        ("optimum", "transformers"),
    ),
]

FAMILIES = {family.name: family for family in DECODERS + ENCODERS}


def is_encoder(name):
    return any(family.name == name for family in ENCODERS)
