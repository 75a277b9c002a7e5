"""Reading the data folder, and one deterministic train/held-out rule for everything.

Every held-out decision is a hash of a *group key*, not of a row: rows that say
the same thing (a template with another order number, two turns of one
conversation, variants of one jailbreak prompt) share a key and so stay on one
side. The distillation and the heads use the same rule.
"""

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

import zstandard

HELD_OUT_PERCENT = 20
HELD_INTENT_BYTES = 52  # of 256: about a fifth of the CLINC150 intents are seen by no training step at all

SUPPORT_FILES = [
    "support/bitext.jsonl.zst",
    "support/clinc150.jsonl.zst",
    "support/nlu_evaluation_data.jsonl.zst",
    "support/multidogo_customer_turns.jsonl.zst",
]
ROUTING_FILES = [
    "routing/llmrouter_train.jsonl.zst",
    "routing/mmlu_pro.jsonl.zst",
    "routing/routerbench_arc_mbpp_winogrande.jsonl.zst",
    "routing/zeroeval_crux.jsonl.zst",
    "routing/zeroeval_math-l5.jsonl.zst",
]
STRONGEST_WHERE_NONE_IS_STRONG = "llama-3.1-nemotron-51b-instruct"  # of the nine models of LLMRouter
ARENA_FILE = "routing/arena_hard_prompts_unlabelled.jsonl.zst"
JAILBREAK_FILE = "jailbreak/train.jsonl.zst"
FAQ_FILE = "support/dstc9_faq.jsonl.zst"
GROUNDED_FILE = "dialogue/dstc9_grounded_responses.jsonl.zst"
PAIR_FILES = ["paraphrase/bitext_pairs.jsonl.zst", "paraphrase/clinc_pairs.jsonl.zst"]
PAWS_FILE = "paraphrase/paws_wiki_dev.jsonl.zst"
HOTEL_FILE = "support/nlupp_hotels.jsonl.zst"
PII_FILES = ["pii/synthetic_support.jsonl.zst", "pii/presidio_templates.jsonl.zst", "pii/multidogo_slots.jsonl.zst"]
SGD_FILE = "dialogue/sgd_train.jsonl.zst"
CODE_AND_CHAT_FILE = "instruct/gpteacher.jsonl.zst"
GRADE_SCHOOL_FILE = "instruct/gsm8k_train.jsonl.zst"

ALL_FILES = (
    SUPPORT_FILES
    + ROUTING_FILES
    + [ARENA_FILE, JAILBREAK_FILE, FAQ_FILE, GROUNDED_FILE]
    + PAIR_FILES
    + [PAWS_FILE, HOTEL_FILE]
    + PII_FILES
    + [SGD_FILE, CODE_AND_CHAT_FILE, GRADE_SCHOOL_FILE]
)


def read(data, name):
    """Rows of one JSON-lines file, zstd-compressed."""
    raw = zstandard.ZstdDecompressor().stream_reader((Path(data) / name).open("rb")).read()
    return [json.loads(line) for line in raw.decode("utf-8").split("\n") if line]


def file_digests(data):
    """sha256 of every file used, so that a rerun can prove it saw the same data."""
    return {name: hashlib.sha256((Path(data) / name).read_bytes()).hexdigest() for name in sorted(ALL_FILES)}


def normal_form(text):
    """Lower-case words and digits only: two texts with the same form count as one."""
    text = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.findall(r"[a-z0-9]+", text)) or text.strip().lower()


def held_out(key):
    """True for the fixed fifth of all group keys that no training step may see."""
    digest = hashlib.sha256(("firstline-split:" + key).encode("utf-8")).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def held_intent(intent):
    """True for the CLINC150 intents kept from every training step, texts and all: they stand for topics that an
    operator has and that no model has met."""
    return hashlib.sha256(("firstline-intent:" + intent).encode("utf-8")).digest()[0] < HELD_INTENT_BYTES


def group_key(row):
    """The key that keeps near-duplicates together: entities and digits are masked."""
    text = row["text"] if "text" in row else row["prompt"]
    entity = row.get("entity")
    if isinstance(entity, dict) and entity.get("value"):
        text = re.sub(re.escape(str(entity["value"])), " ", text, flags=re.IGNORECASE)
    return re.sub(r"[0-9]+", "0", normal_form(text))


def clusters(texts, shingle=5, share=0.3):
    """Cluster ids by word-shingle containment (union-find), for long copied templates."""
    parent = list(range(len(texts)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    shingles = []
    where = defaultdict(list)
    for i, text in enumerate(texts):
        words = normal_form(text).split()
        grams = {" ".join(words[j : j + shingle]) for j in range(max(1, len(words) - shingle + 1))}
        shingles.append(grams)
        for gram in grams:
            where[gram].append(i)
    for i, grams in enumerate(shingles):
        shared = defaultdict(int)
        for gram in grams:
            if len(where[gram]) <= 400:
                for j in where[gram]:
                    if j < i:
                        shared[j] += 1
        for j, count in shared.items():
            if count >= share * min(len(grams), len(shingles[j])):
                # The first text of a cluster stands for it, in whatever order the clusters grow together.
                first, second = sorted((root(i), root(j)))
                parent[second] = first
    return [root(i) for i in range(len(texts))]


def routing_rows(data):
    """Prompts with measured small-model scores; duplicates of one question are merged away."""
    seen, rows = set(), []
    for name in ROUTING_FILES:
        for row in read(data, name):
            key = group_key(row)
            if row.get("small_mean") is None or key in seen:
                continue
            seen.add(key)
            scores = [score for score in row["scores"].values() if score is not None]
            rows.append(
                {
                    "text": row["prompt"],
                    "benchmark": row["benchmark"],
                    "small": row["small_mean"],
                    "strong": strong(row),
                    "every": sum(scores) / len(scores),
                    "held_out": held_out(key),
                }
            )
    return rows


def strong(row):
    """What the strong end of a weak/strong pair scored: the mean of the strong models, or the best of a file that has
    none."""
    known = row.get("strong_mean")
    return row["scores"].get(STRONGEST_WHERE_NONE_IS_STRONG) if known is None else known


def jailbreak_rows(data):
    """Attack and benign rows; whole clusters of copied templates go to one side."""
    rows = read(data, JAILBREAK_FILE)
    for row, cluster in zip(rows, clusters([r["text"] for r in rows])):
        row["held_out"] = held_out("jailbreak-cluster:" + group_key(rows[cluster]))
    return rows


def support_rows(data):
    """Support utterances with intents. Conversations stay whole; a held-out text
    that also occurs on the training side is dropped from the held-out side. Intents set aside are held out whole."""
    rows = []
    for name in SUPPORT_FILES:
        for row in read(data, name):
            row["file"] = name.split("/")[1].split(".")[0]
            aside = row["file"] == "clinc150" and held_intent(row["intent"])
            row["held_out"] = aside or held_out(row["conv"] if "conv" in row else group_key(row))
            rows.append(row)
    trained = {group_key(r) for r in rows if not r["held_out"]}
    return [r for r in rows if not (r["held_out"] and group_key(r) in trained)]


def faq_rows(data):
    """FAQ entries split by entity: all questions about one hotel are on one side."""
    rows = read(data, FAQ_FILE)
    for row in rows:
        row["entity_name"] = (row.get("entity") or {}).get("value") or row["category"]
        row["held_out"] = held_out("faq-entity:" + row["entity_name"].lower())
    return rows


def grounded_rows(data):
    """Agent replies with the FAQ entry they rest on, split like faq_rows."""
    rows = read(data, GROUNDED_FILE)
    for row in rows:
        row["entity_name"] = row.get("entity") or row["domain"]
        row["held_out"] = held_out("faq-entity:" + row["entity_name"].lower())
    return rows


def pair_rows(data):
    """Labelled paraphrase pairs; a pair is held out when either text is. Pairs of set-aside intents are held out."""
    rows = []
    for name in PAIR_FILES:
        for row in read(data, name):
            sides = [held_out(re.sub(r"[0-9]+", "0", normal_form(row[k]))) for k in ("text_a", "text_b")]
            aside = "clinc" in name and any(held_intent(row[k]) for k in ("intent_a", "intent_b"))
            row["held_out"] = any(sides) or aside
            row["both_held_out"] = all(sides) or aside
            rows.append(row)
    return rows


def paws_rows(data):
    """Pairs that share nearly all words and mean the same or not, in the form of pair_rows."""
    rows = read(data, PAWS_FILE)
    for row in rows:
        row["held_out"] = row["both_held_out"] = held_out(row["id"])
        row["intent_a"] = row["intent_b"] = row["id"]
    return rows


def personal_held_out(row):
    """True for the templates of personal data that no training step may see."""
    return held_out("personal-template:" + (row.get("template") or group_key(row)))


def personal_rows(data):
    """Texts with spans of personal data; all fillings of one template are on one side."""
    rows = []
    for name in PII_FILES:
        for row in read(data, name):
            row["file"] = name.split("/")[1].split(".")[0]
            row["held_out"] = personal_held_out(row)
            rows.append(row)
    return rows


def thinned(texts, most):
    """At most that many of the texts, always the same ones, in their order."""
    texts = list(dict.fromkeys(texts))
    ranked = sorted(texts, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest())
    kept = set(ranked[:most])
    return [text for text in texts if text in kept]


def unlabelled_corpus(data):
    """Training-side texts for distillation, each once, in a fixed order. Large families of likely texts are thinned."""
    support = [r for r in support_rows(data) if not r["held_out"]]
    by_file = {}
    for row in support:
        by_file.setdefault(row["file"], []).append(row["text"])
    texts = [text for file in sorted(by_file) for text in thinned(by_file[file], 14000)]
    texts += thinned([r["answer"] for r in support if r.get("answer")], 1500)
    pairs = [r for r in pair_rows(data) + paws_rows(data) if not r["held_out"]]
    texts += thinned([t for r in pairs for t in (r["text_a"], r["text_b"])], 16000)
    for row in faq_rows(data):
        if not row["held_out"]:
            texts += [row["text"], row["answer"]]
    texts += [r["response"] for r in grounded_rows(data) if not r["held_out"]]
    texts += [r["text"] for r in jailbreak_rows(data) if not r["held_out"]]
    texts += [r["text"] for r in routing_rows(data) if not r["held_out"]]
    texts += [r["prompt"] for r in read(data, ARENA_FILE) if not held_out(group_key(r))]
    texts += thinned([r["text"] for r in personal_rows(data) if not r["held_out"]], 9000)
    for name in (CODE_AND_CHAT_FILE, GRADE_SCHOOL_FILE):
        texts += thinned([r["messages"][0]["content"] for r in read(data, name) if not held_out(r["id"])], 5000)
    turns = []
    for row in read(data, SGD_FILE):
        if not held_out(row["id"]):
            turns += [m["content"] for m in row["messages"] if m["role"] == "user"][:3]
    texts += thinned(turns, 14000)
    held = support_rows(data) + jailbreak_rows(data) + routing_rows(data) + personal_rows(data)
    held = {group_key(r) for r in held if r["held_out"]}
    seen, out = set(), []
    for text in texts:
        form = normal_form(text)
        if form not in seen and re.sub(r"[0-9]+", "0", form) not in held and text.strip():
            seen.add(form)
            out.append(text)
    return out
