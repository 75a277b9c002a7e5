"""Runs every exported folder with the shipped binary, compares, and writes the matrix.

    python matrix.py WORK FIRSTLINE DOCS/families.md [--local local.json]

In f32 and f16 a decoder is right where its greedy tokens are those of `transformers`, or part at a step at which
`transformers` itself has the two tokens closer than the precision's tolerance (natural logarithms); a classifier where no
logit is further off. 8-bit arithmetic is another arithmetic: there the tokens (logits) must be those of a plain loop over
ONNX Runtime with the same graph (plain.py), and the distance from `transformers` is told beside it. What an exporter does
not serve stands with the exporter's own words.
"""

import argparse
import datetime
import importlib.metadata
import json
import subprocess
from pathlib import Path

import plain
from families import DECODERS, ENCODERS, FAMILIES, is_encoder

PRECISIONS = ["f32", "f16", "int8", "int4"]
# Of float32 nothing but the order of sums differs.
NEAR_TIE = {"f32": 0.001, "f16": 0.05}
# Of the largest logit.
LOGITS = {"f32": 0.0001, "f16": 0.01}
SAME_GRAPH = 0.001
LONGEST_CELL = 90


def ran(firstline, folder, cases):
    command = [firstline, "models", "try", str(folder), "--json", "--max-tokens", "24"]
    for case in cases:
        command += ["--prompt", case["prompt"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        return None, (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
    return [json.loads(line) for line in done.stdout.splitlines()], None


def compared(case, ours, end):
    """Tokens that are equal, of how many, and at the first that is not: how much likelier `transformers` has its own."""
    wanted = [token for token in case["greedy"] if token != end]
    found = ours["ids"]
    equal = 0
    for step, token in enumerate(wanted):
        if step >= len(found) or found[step] != token:
            here = dict(case["likeliest"][step])
            chosen = found[step] if step < len(found) else end
            gap = here[token] - here[chosen] if chosen in here else None
            return equal, len(wanted), gap, True
        equal += 1
    return equal, len(wanted), 0.0, len(found) > len(wanted)


def decoder_verdict(cases, answers, folder, precision, end):
    equal = of = 0
    parted, worst, drift = False, 0.0, 0.0
    for case, ours in zip(cases, answers):
        if ours["prompt_ids"] != case["ids"]:
            return {"good": False, "text": "the prompt's ids differ"}
        same, wanted, gap, parts = compared(case, ours, end)
        equal, of = equal + same, of + wanted
        if parts:
            parted = True
            worst = float("inf") if gap is None else max(worst, gap)
        for step in range(same):
            drift = max(drift, abs(case["likeliest"][step][0][1] - ours["log_probabilities"][step]))
    text = f"{equal}/{of}"
    if precision in NEAR_TIE:
        good = not parted or worst <= NEAR_TIE[precision]
        if not good and all(is_plain(folder, case, ours, end) for case, ours in zip(cases, answers)):
            text = f"as the graph, unlike transformers; {text}"
    else:
        good = all(is_plain(folder, case, ours, end) for case, ours in zip(cases, answers))
        text = text if equal == of else ("as the graph; " if good else "unlike the graph; ") + text
    if parted and precision in NEAR_TIE:
        text += f", parts {'at a near tie' if good else 'where'} {worst:.2f} apart"
    return {"good": good, "text": f"{text}, ±{drift:.1g}"}


def is_plain(folder, case, ours, end):
    """What the engine says is what the graph says when it is run step by step."""
    tokens, margins = plain.decode(folder, case["ids"], len(case["greedy"]), end)
    for step, (token, found) in enumerate(zip(tokens, ours["ids"])):
        if token != found:
            return margins[step] <= SAME_GRAPH
    return len(tokens) == len(ours["ids"])


def encoder_verdict(cases, answers, folder, precision):
    worst = largest = 0.0
    same = True
    for case, ours in zip(cases, answers):
        if ours["prompt_ids"] != case["ids"]:
            return {"good": False, "text": "the ids differ"}
        if None in ours["scores"]:
            return {"good": False, "text": "numbers that are none"}
        worst = max(worst, distance(case["logits"], ours["scores"]))
        largest = max(largest, *(abs(number) for number in case["logits"]))
        if precision not in LOGITS:
            same = same and distance(plain.encode(folder, case["ids"]), ours["scores"]) <= SAME_GRAPH
    if precision in LOGITS:
        return {"good": worst <= LOGITS[precision] * largest, "text": f"±{worst:.1g} of {largest:.0f}"}
    return {"good": same, "text": f"{'as' if same else 'unlike'} the graph; ±{worst:.1g} of {largest:.0f}"}


def distance(ones, others):
    return max(abs(one - other) for one, other in zip(ones, others, strict=True))


def window_left_out(folder):
    """Of a graph of the builder that has no window though its model has: the window is left to onnxruntime-genai itself."""
    path = folder / "genai_config.json"
    if not path.exists():
        return None
    sliding = json.loads(path.read_text())["model"]["decoder"].get("sliding_window")
    return sliding["window_size"] if sliding and not sliding.get("layers") else None


def verdict(work, firstline, family, exporter, precision):
    folder = work / family / f"{exporter}-{precision}"
    failed = folder.with_suffix(".failed")
    if failed.exists():
        return {"good": None, "text": failed.read_text().splitlines()[0].replace(str(work), "WORK")}
    if not (folder / "expected.json").exists():
        return None
    cases = json.loads((folder / "expected.json").read_text())["cases"]
    window = window_left_out(folder)
    if window:
        # The engine refuses what such a graph would get wrong.
        cases = [case for case in cases if len(case["ids"]) + len(case["greedy"]) <= window]
    answers, error = ran(firstline, folder, cases)
    if error:
        return {"good": False, "text": error}
    if is_encoder(family):
        return encoder_verdict(cases, answers, folder, precision)
    end = json.loads((folder / "config.json").read_text())["eos_token_id"]
    return decoder_verdict(cases, answers, folder, precision, end)


def cell(result):
    if result is None:
        return "–"
    if result["good"] is None:
        return "not exported"
    text = result["text"].replace("|", "/")
    text = text if len(text) <= LONGEST_CELL else "does not run"
    return ("✓ " if result["good"] else "✗ ") + text


def rows(work, firstline, families):
    results = {}
    for family in families:
        for exporter in FAMILIES[family.name].exporters:
            for precision in PRECISIONS:
                result = verdict(work, firstline, family.name, exporter, precision)
                if result is not None:
                    results[(family.name, exporter, precision)] = result
                    print(family.name, exporter, precision, cell(result), flush=True)
    return results


def table(families, results, precisions):
    lines = ["| family | as in | exporter | " + " | ".join(precisions) + " |", "|---|---|---|" + "---|" * len(precisions)]
    for family in families:
        for exporter in family.exporters:
            found = [results.get((family.name, exporter, precision)) for precision in precisions]
            if any(found):
                cells = " | ".join(cell(result) for result in found)
                lines.append(f"| {family.name} | {family.like} | {exporter} | {cells} |")
    return lines


def unserved(results):
    """Every refusal once, with the precisions that it holds for."""
    said = {}
    for (family, exporter, precision), result in results.items():
        if result["good"] is None:
            said.setdefault((exporter, result["text"]), {}).setdefault(family, []).append(precision)
    lines = []
    for (exporter, text), families in sorted(said.items()):
        where = ", ".join(
            name if len(found) >= len(PRECISIONS) - 1 else f"{name} {'/'.join(found)}" for name, found in families.items()
        )
        lines.append(f"- **{exporter}**: {where}: `{text[:220]}`")
    return lines


def wrong(results):
    lines = [
        f"- {family}, {exporter}, {precision}: {result['text'][:300]}"
        for (family, exporter, precision), result in results.items()
        if result["good"] is False
    ]
    return lines or ["None."]


def versions():
    names = ["transformers", "torch", "onnxruntime", "onnxruntime-genai", "onnx", "onnxscript"]
    found = [f"{name} {importlib.metadata.version(name).split('+')[0]}" for name in names]
    return ", ".join([*found, "optimum-onnx 0.1.0 (with transformers 4.57.6)"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("firstline")
    parser.add_argument("page", type=Path)
    parser.add_argument("--local", type=Path, help="what local_server.py found")
    asked = parser.parse_args()
    results = rows(asked.work, asked.firstline, DECODERS + ENCODERS)
    good = sum(result["good"] is True for result in results.values())
    bad = sum(result["good"] is False for result in results.values())
    none = sum(result["good"] is None for result in results.values())
    head = (Path(__file__).parent / "families.head.md").read_text()
    text = head.replace("DATE", datetime.date.today().isoformat()).replace("VERSIONS", versions())
    text = text.replace("COUNTS", f"{good} right, {bad} wrong, {none} not exported")
    lines = ["## Decoders", "", *table(DECODERS, results, PRECISIONS), "", "## Encoders", ""]
    lines += [*table(ENCODERS, results, PRECISIONS[:3]), "", "## What an exporter does not serve", "", *unserved(results)]
    lines += ["", "## What is wrong", "", *wrong(results), "", (Path(__file__).parent / "families.why.md").read_text().strip()]
    if asked.local:
        found = json.loads(asked.local.read_text())
        lines += ["", "## Through a local server", "", *found["lines"]]
    asked.page.write_text(text + "\n" + "\n".join(lines) + "\n")
    print(f"{good} right, {bad} wrong, {none} not exported")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
