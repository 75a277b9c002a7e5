"""Builds a tiny random model of each family and writes what `transformers` itself does with it.

    python build.py WORK [FAMILY ...]

Needs `requirements.txt` (current transformers). For each family WORK/FAMILY gets `source` (the weights), `source-int4`
(the same weights on the grid of 4-bit blocks, so that quantising them loses nothing) and for each `expected.json`: greedy
tokens of each prompt with the logarithms of the likeliest tokens' probabilities, or the logits of a classifier.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from families import CONTEXT, FAMILIES, is_encoder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "testing"))
from make_tiny import END, SPECIAL, byte_level_tokenizer, save_tokenizer  # noqa: E402

PROMPTS = [
    "Where is my order?",
    "Die Lieferung kommt später 🎁 und das Paket ist blau.",
    "refund to the card that I used " * 5 + "for it",
]
NEW_TOKENS = 24
BLOCK = 32
LIKELIEST = 8
SEEDS = 24
NEAR_TIE = 0.02
VARIETY = 8


def randomised(family, seed):
    """Weights drawn wide, so that what is said changes from token to token. Later seeds are drawn wider."""
    torch.manual_seed(seed)
    config = FAMILIES[family].config()
    config.eos_token_id, config.bos_token_id = SPECIAL.index(END), 0
    if config.pad_token_id is None:
        config.pad_token_id = 0
    kind = transformers.AutoModelForSequenceClassification if is_encoder(family) else transformers.AutoModelForCausalLM
    model = kind.from_config(config, attn_implementation="eager").eval().float()
    wide = 3.0 * (1 + seed // 5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                embeds = any(part in name for part in ["embed", "wte", "wpe"])
                spread = 0.4 if embeds else wide / weight.shape[-1] ** 0.5
                if embeds and "gemma" in family:
                    spread /= config.hidden_size**0.5
                weight.normal_(0.0, spread)
        if not is_encoder(family):
            model.generation_config = transformers.GenerationConfig.from_model_config(config)
    return model


def on_grid(model):
    """Each block of 32 weights on the grid of symmetric 4-bit numbers, as ONNX Runtime's quantiser draws it."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() < 2:
                continue
            transposed = type(model.get_submodule(name.rpartition(".")[0])).__name__ == "Conv1D"
            rows = weight.T if transposed else weight
            blocks = rows.reshape(-1, BLOCK).clone()
            peak = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
            scale = peak / -8
            blocks = (blocks / scale).round().clamp(-8, 7) * scale
            weight.copy_(blocks.reshape(rows.shape).T if transposed else blocks.reshape(rows.shape))
    return model


def greedy(model, ids):
    prompt = torch.tensor([ids])
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=0,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    rows = [torch.log_softmax(row[0].double(), -1).topk(LIKELIEST) for row in out.logits]
    return {
        "ids": ids,
        "greedy": out.sequences[0, len(ids) :].tolist(),
        "likeliest": [
            [[token, round(number, 6)] for token, number in zip(row.indices.tolist(), row.values.tolist())] for row in rows
        ],
    }


def said(model, prompts):
    return [{"prompt": text, **greedy(model, ids)} for text, ids in prompts]


def liveliness(cases):
    """Different tokens in the dullest answer, and the nearest call of all."""
    variety = min(len(set(case["greedy"])) for case in cases)
    margin = min(row[0][1] - row[1][1] for case in cases for row in case["likeliest"])
    return variety, margin


def is_lively(model, prompts):
    """How many tokens come before the first near tie, and whether none came and the answers vary."""
    far = 0
    for _, ids in prompts:
        tokens = list(ids)
        for _ in range(NEW_TOKENS):
            with torch.no_grad():
                row = torch.log_softmax(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].double(), -1)
            first, second = row.topk(2).values.tolist()
            if first - second < NEAR_TIE:
                return far, False
            tokens.append(int(row.argmax()))
            far += 1
        if len(set(tokens[len(ids) :])) < VARIETY:
            return far, False
    return far, True


def lively(family, prompts):
    """The first seed whose answers vary and are no near ties; else the one that comes furthest."""
    best = (-1, 0)
    for seed in range(SEEDS):
        far, found = is_lively(randomised(family, seed), prompts)
        if found:
            return seed
        best = max(best, (far, seed), key=lambda one: one[0])
    return best[1]


def classified(model, prompts):
    cases = []
    for text, ids in prompts:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        cases.append({"prompt": text, "ids": ids, "logits": [round(number, 6) for number in logits.tolist()]})
    return cases


def with_old_names(folder):
    """Published configurations have the older names of rotary positions, which older exporters read."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.get("rope_parameters")
    if isinstance(rope, dict):
        config["rope_theta"] = rope.get("rope_theta", 10000.0)
        if "partial_rotary_factor" in rope:
            config["partial_rotary_factor"] = config["rotary_pct"] = rope["partial_rotary_factor"]
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = {"type": rope["rope_type"], **rope}
            # What stands beside it in a published configuration, and what older readers refuse to see twice.
            beside = ["rope_theta", *(["rope_type", "original_max_position_embeddings"] if "long_factor" in rope else [])]
            for key in beside:
                config["rope_scaling"].pop(key, None)
        path.write_text(json.dumps(config, indent=1) + "\n")


def save(model, tokenizer, folder, cases):
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder, True)
    with_old_names(folder)
    made_with = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    expected = {"made_with": made_with, "cases": cases}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


def build(family, work):
    tokenizer = byte_level_tokenizer()
    prompts = [(text, tokenizer.encode(text, add_special_tokens=False).ids) for text in PROMPTS]
    assert all(len(ids) + NEW_TOKENS < CONTEXT for _, ids in prompts)
    if is_encoder(family):
        prompts = [(text, ids[:100]) for text, ids in prompts]
        model = randomised(family, 0)
        save(model, tokenizer, work / family / "source", classified(model, prompts))
        print(family, "built", flush=True)
        return
    seed = lively(family, prompts)
    model = randomised(family, seed)
    cases = said(model, prompts)
    save(model, tokenizer, work / family / "source", cases)
    print(family, "seed", seed, "different tokens, nearest call:", *liveliness(cases), flush=True)
    model = on_grid(model)
    save(model, tokenizer, work / family / "source-int4", said(model, prompts))


def main():
    torch.set_num_threads(1)
    work, *names = sys.argv[1:]
    for name in names or FAMILIES:
        build(name, Path(work))


if __name__ == "__main__":
    main()
