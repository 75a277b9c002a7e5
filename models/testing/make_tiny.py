"""Writes the tiny decoders of tests/models: random weights, and what `transformers` itself does with them (golden.json).

    python make_tiny.py tests/models tiny-llama-gqa        # venv with requirements.txt
    python make_tiny.py tests/models tiny-llama tiny-gpt2  # venv with requirements-optimum.txt

Three folders, three layouts of the hub:
- tiny-llama-gqa: onnxruntime-genai's builder. GroupQueryAttention with one buffer for past and present, external data,
  genai_config.json, a byte-level tokenizer, the chat template in its own file.
- tiny-llama: optimum, onnx/model.onnx. Past and present are two tensors. A tokenizer with byte fallback and metaspace.
- tiny-gpt2: optimum, model.onnx beside the tokenizer; learned positions; a byte-level tokenizer.
The weights are drawn wide, so that the greedy choice changes from token to token and is far from a tie.
"""

import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 512
CONTEXT = 256
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END = "<|im_end|>"

CORPUS = [
    "My parcel has not arrived yet. Where is my order? The tracking page shows nothing new since Monday.",
    "You can return the item within thirty days; refunds are paid to the card you used for the order.",
    "Please reset my password, the link in the message does not work any more. Thank you for your help!",
    "Wo ist mein Paket? Die Lieferung kommt zwei Tage später, wir bitten um Entschuldigung.",
    "¿Cómo puedo cambiar la dirección de envío de mi pedido? Où se trouve ma commande passée hier ?",
    "system user assistant: answer in short sentences, and say so when you do not know.",
]

# Our own, with what published templates use: namespace, loop variables, Python's string methods, tojson, a refusal.
TEMPLATE = """{%- set ns = namespace(system='You answer questions about orders.') -%}
{%- if messages[0]['role'] == 'system' -%}
    {%- set ns.system = messages[0]['content'].strip() -%}
    {%- set messages = messages[1:] -%}
{%- endif -%}
{{- '<|im_start|>system\\n' + ns.system }}
{%- if tools %}
    {{- '\\nTools:' }}
    {%- for tool in tools %}
        {{- '\\n' + (tool | tojson) }}
    {%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
    {%- if message.role not in ['user', 'assistant'] %}
        {{- raise_exception('unknown role ' + message.role) }}
    {%- endif %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- set content = message['content'] %}
    {%- if '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + content }}
    {%- if not loop.last or add_generation_prompt %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

CONVERSATIONS = [
    {"messages": [{"role": "user", "content": "Where is my order?"}]},
    {
        "messages": [
            {"role": "system", "content": "  Be brief. \n"},
            {"role": "user", "content": "Größe <M> & 'blau' 🎁?"},
            {"role": "assistant", "content": "<think>colour\nand size</think>\n\nYes, both."},
            {"role": "user", "content": "And how long does that take?"},
        ]
    },
    {
        "messages": [{"role": "user", "content": "Track it."}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "track",
                    "description": "where a parcel is, in <b>all</b> 'countries' & Österreich",
                    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                },
            }
        ],
    },
]

PROMPTS = [
    "Where is my order?",
    "I",
    "Please reset my password, the link in the message does not work any more.",
    "Die Lieferung kommt später 🎁 und das Paket ist blau.",
    "refund to the card that I used " * 12,
]
NEW_TOKENS = 24


def byte_level_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_fallback_tokenizer():
    """As of SentencePiece: words begin with a visible blank, unknown letters fall back to their bytes."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    size = VOCABULARY - 257 - len(SPECIAL)
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    learned = json.loads(trained.to_str())["model"]
    tokens = ["<unk>", *SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += sorted(learned["vocab"], key=learned["vocab"].get)
    merges = [tuple(pair) for pair in learned["merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def llama():
    return transformers.LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )


def gpt2():
    return transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT)


def with_tokens(config, tokenizer):
    config.vocab_size = VOCABULARY
    config.eos_token_id = tokenizer.token_to_id(END)
    config.bos_token_id = tokenizer.token_to_id(SPECIAL[0])
    config.pad_token_id = tokenizer.token_to_id(SPECIAL[0])
    return config


def random_model(config, seed, quiet):
    """`quiet` tokens are hardly ever chosen."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).eval().float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                spread = 0.4 if "embed" in name or "wte" in name else 3.0 / weight.shape[-1] ** 0.5
                weight.normal_(0.0, spread)
        model.get_input_embeddings().weight[quiet] *= 0.05
    return model


def lively_model(config, prompts, quiet):
    """The first random model whose greedy text varies and whose choices are no near ties."""
    for seed in range(500):
        model = random_model(config, seed, quiet)
        cases = [greedy(model, ids) for ids in prompts]
        if all(case["margin"] > 0.02 and len(set(case["greedy"])) >= 8 for case in cases):
            return model
    sys.exit("no seed gave a model worth testing with")


def greedy(model, ids):
    """Greedy ids, and for each the logarithm of its probability, of the runner-up's, and the sum check of the row."""
    prompt = torch.tensor([ids])
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    chosen = out.sequences[0, len(ids) :].tolist()
    rows = [torch.log_softmax(row[0].double(), -1) for row in out.logits]
    return {
        "ids": ids,
        "greedy": chosen,
        "log_probabilities": [round(row[token].item(), 6) for row, token in zip(rows, chosen)],
        "margin": round(min((row.topk(2).values[0] - row.topk(2).values[1]).item() for row in rows), 6),
    }


def warpers():
    """Which tokens the filters of `transformers` keep of a row, and with what probability."""
    generator = torch.Generator().manual_seed(7)
    row = (torch.randn(40, generator=generator) * 2).round(decimals=4)
    history = [3, 3, 11, 29]
    from transformers.generation import logits_process as process

    cases = []
    for settings in [
        {"temperature": 0.7},
        {"temperature": 1.3, "top_k": 5},
        {"temperature": 1.0, "top_p": 0.6},
        {"temperature": 0.9, "min_p": 0.1},
        {"temperature": 1.0, "repetition_penalty": 1.4},
        {"temperature": 1.5, "top_k": 12, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.2},
    ]:
        scores, ids = row[None].clone(), torch.tensor([history])
        steps = [
            ("repetition_penalty", process.RepetitionPenaltyLogitsProcessor),
            ("temperature", process.TemperatureLogitsWarper),
            ("top_k", process.TopKLogitsWarper),
            ("top_p", process.TopPLogitsWarper),
            ("min_p", process.MinPLogitsWarper),
        ]
        for name, warper in steps:
            if name in settings:
                scores = warper(settings[name])(ids, scores)
        probabilities = torch.softmax(scores[0].double(), -1)
        kept = [[i, round(p, 6)] for i, p in enumerate(probabilities.tolist()) if p > 0]
        cases.append({"settings": settings, "kept": kept})
    return {"logits": [round(x, 4) for x in row.tolist()], "history": history, "cases": cases}


def golden(model, folder):
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    cases = [greedy(model, tokenizer.encode(text, add_special_tokens=False)) for text in PROMPTS]
    for case, text in zip(cases, PROMPTS):
        case["prompt"] = text
        case["text"] = tokenizer.decode(case["greedy"], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    rendered = [
        tokenizer.apply_chat_template(
            conversation["messages"],
            tools=conversation.get("tools"),
            tokenize=False,
            add_generation_prompt=True,
        )
        for conversation in CONVERSATIONS
    ]
    content = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "greedy": cases,
        "templates": [{**c, "rendered": text} for c, text in zip(CONVERSATIONS, rendered)],
        "warpers": warpers(),
    }
    (folder / "golden.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def save_tokenizer(tokenizer, folder, template_file):
    """The files as the hub has them; the template stands in its own file or in tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[0],
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
    }
    if template_file:
        (folder / "chat_template.jinja").write_text(TEMPLATE)
    else:
        config["chat_template"] = TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def export_genai(source, folder):
    builder = importlib.import_module("onnxruntime_genai.models.builder")
    with tempfile.TemporaryDirectory() as cache:
        where = [None, str(source), str(folder), "fp32", "cpu", cache]
        builder.create_model(*where, **builder.parse_extra_options(*where, []))


def export_optimum(source, folder, inside):
    from optimum.exporters.onnx import main_export

    with tempfile.TemporaryDirectory() as out:
        main_export(str(source), output=out, task="text-generation-with-past", do_validation=False, opset=17)
        target = folder / "onnx" if inside else folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(out) / "model.onnx", target / "model.onnx")


MODELS = {
    "tiny-llama-gqa": (llama, byte_level_tokenizer, True, export_genai),
    "tiny-llama": (llama, byte_fallback_tokenizer, False, lambda s, f: export_optimum(s, f, True)),
    "tiny-gpt2": (gpt2, byte_level_tokenizer, False, lambda s, f: export_optimum(s, f, False)),
}

KEPT = {
    "config.json", "generation_config.json", "genai_config.json", "golden.json", "model.onnx", "model.onnx.data",
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "onnx",
}  # fmt: skip


def make(name, folder):
    config, tokenizer, template_file, export = MODELS[name]
    shutil.rmtree(folder, ignore_errors=True)
    trained = tokenizer()
    prompts = [trained.encode(text, add_special_tokens=False).ids for text in PROMPTS]
    # Of bytes that make no character, `transformers` shows another text than a stream can.
    quiet = [trained.token_to_id(f"<0x{byte:02X}>") for byte in range(256)]
    model = lively_model(with_tokens(config(), trained), prompts, [token for token in quiet if token is not None])
    with tempfile.TemporaryDirectory() as source:
        source = Path(source)
        model.save_pretrained(source)
        save_tokenizer(trained, source, template_file)
        export(source, folder)
        for file in ["config.json", "generation_config.json"]:
            shutil.copy(source / file, folder / file)
    save_tokenizer(trained, folder, template_file)
    golden(model, folder)
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()


def main():
    target, *names = sys.argv[1:]
    for name in names:
        make(name, Path(target) / name)


if __name__ == "__main__":
    main()
