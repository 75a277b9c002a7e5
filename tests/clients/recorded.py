"""What coding agents send, as raw requests: shaped like Codex's (Responses) and like Claude Code's (Messages), tools and streams, twice each.

The requests are written here after what these programs send (their headers, their instructions as blocks, their tools, a result given back
in the next turn); the programs themselves are not run.
"""

import http.client
import json
from urllib.parse import urlsplit

from checks import KEY, STAND_IN, URL, run

SHELL = {
    "type": "object",
    "properties": {"command": {"type": "array", "items": {"type": "string"}}, "workdir": {"type": "string"}, "timeout_ms": {"type": "number"}},
    "required": ["command"],
    "additionalProperties": False,
}
BASH = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"command": {"type": "string"}, "description": {"type": "string"}, "timeout": {"type": "number"}},
    "required": ["command"],
    "additionalProperties": False,
}


def post(path, body, headers):
    """The status and, of a stream, the events as (name, data); else the JSON."""
    address = urlsplit(URL)
    link = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    link.request("POST", path, json.dumps(body), {"content-type": "application/json"} | headers)
    answer = link.getresponse()
    text = answer.read().decode()
    if answer.getheader("content-type", "").startswith("text/event-stream"):
        return answer.status, [event_of(event) for event in text.strip().split("\n\n")]
    return answer.status, json.loads(text)


def event_of(text):
    fields = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
    return fields.get("event"), json.loads(fields["data"]) if fields["data"] != "[DONE]" else None


# --- Codex


def codex(model, turn):
    body = {
        "model": model,
        "instructions": "You are a coding agent running in a terminal-based coding assistant.",
        "input": turn,
        "tools": [{"type": "function", "name": "shell", "description": "Runs a command.", "strict": False, "parameters": SHELL}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199b0a2-7c1e-7000-8000-000000000001",
    }
    headers = {
        "authorization": f"Bearer {KEY}",
        "accept": "text/event-stream",
        "openai-beta": "responses=experimental",
        "originator": "codex_cli_rs",
        "session_id": "0199b0a2-7c1e-7000-8000-000000000001",
        "user-agent": "codex_cli_rs/0.50.0",
    }
    status, events = post("/v1/responses", body, headers)
    assert status == 200, events
    assert [data["type"] for _, data in events] == [name for name, _ in events]
    assert events[0][0] == "response.created" and events[-1][0] == "response.completed", [name for name, _ in events]
    assert events[-1][1]["response"]["usage"]["total_tokens"] > 0
    return [data["item"] for name, data in events if name == "response.output_item.done"]


def said(role, text):
    return {"type": "message", "role": role, "content": [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]}


def codex_session(model):
    turn = [said("developer", "<permissions>read only</permissions>"), said("user", "<environment_context>\n  <cwd>/app</cwd>\n</environment_context>"),
            said("user", "List the files here, then explain what the build does.")]
    items = codex(model, turn)
    call = next(item for item in items if item["type"] == "function_call")
    assert call["name"] == "shell" and json.loads(call["arguments"])["command"] == ["Bonn"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"output":"Makefile\\n","metadata":{"exit_code":0}}'}
    items = codex(model, [*turn, *items, result])
    assert [item["content"][0]["text"] for item in items if item["type"] == "message"] == [STAND_IN]


def check_codex_shaped_to_chat():
    codex_session("remote")


def check_codex_shaped_to_messages():
    codex_session("claude")


# --- Claude Code

CACHED = {"cache_control": {"type": "ephemeral"}}


def claude_headers():
    return {
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
        "anthropic-dangerous-direct-browser-access": "true",
        "x-app": "cli",
        "user-agent": "claude-cli/2.0.30 (external, cli)",
        "x-stainless-lang": "js",
        "x-stainless-retry-count": "0",
    }


def claude_body(model, messages):
    return {
        "model": model,
        "messages": messages,
        "system": [
            {"type": "text", "text": "You are a coding assistant, run from a terminal.", **CACHED},
            {"type": "text", "text": "Use the tools to do what the user asks.", **CACHED},
        ],
        "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": BASH}],
        "metadata": {"user_id": "user_0_account__session_1"},
        "max_tokens": 32000,
        "temperature": 1,
        "stream": True,
    }


def claude_turn(model, messages):
    """The blocks of the answer, put together from the events, and why it ended."""
    status, events = post("/v1/messages?beta=true", claude_body(model, messages), claude_headers())
    assert status == 200, events
    assert [data["type"] for _, data in events] == [name for name, _ in events]
    assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
    blocks, parts, end = {}, {}, None
    for name, data in events:
        if name == "content_block_start":
            blocks[data["index"]], parts[data["index"]] = data["content_block"], ""
        if name == "content_block_delta":
            parts[data["index"]] += data["delta"].get("text", "") + data["delta"].get("partial_json", "")
        if name == "message_delta":
            end = data["delta"]["stop_reason"]
    for index, block in blocks.items():
        block |= {"text": parts[index]} if block["type"] == "text" else {"input": json.loads(parts[index])}
    return list(blocks.values()), end


def claude_session(model):
    asked = [{"type": "text", "text": "<system-reminder>no file is open</system-reminder>"},
             {"type": "text", "text": "List the files here, then explain what the build does.", **CACHED}]
    messages = [{"role": "user", "content": asked}]
    blocks, end = claude_turn(model, messages)
    call = next(block for block in blocks if block["type"] == "tool_use")
    assert end == "tool_use" and call["name"] == "Bash" and call["input"]["command"] == "Bonn"
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "Makefile", "is_error": False, **CACHED}
    blocks, end = claude_turn(model, [*messages, {"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}])
    assert end == "end_turn" and blocks[-1]["text"] == STAND_IN


def check_claude_code_shaped_as_it_comes():
    claude_session("claude-sonnet-4-5")


def check_claude_code_shaped_to_chat():
    claude_session("remote")


def check_claude_code_shaped_count_tokens():
    body = claude_body("claude-sonnet-4-5", [{"role": "user", "content": "Explain the build."}])
    body = {key: body[key] for key in ("model", "messages", "system", "tools")}
    status, counted = post("/v1/messages/count_tokens?beta=true", body, claude_headers())
    assert status == 200 and counted["input_tokens"] > 20, counted


def check_claude_code_shaped_thinking():
    body = claude_body("claude-sonnet-4-5", [{"role": "user", "content": "Explain the build."}])
    body |= {"thinking": {"type": "enabled", "budget_tokens": 31999}}
    for model in ("claude-sonnet-4-5", "remote"):
        status, events = post("/v1/messages?beta=true", body | {"model": model}, claude_headers())
        assert status == 200, events


def check_claude_code_shaped_errors():
    status, error = post("/v1/messages", claude_body("claude-9", [{"role": "user", "content": "hello"}]), claude_headers())
    assert status == 404 and error["type"] == "error" and error["error"]["type"] == "not_found_error", error
    status, error = post("/v1/messages", claude_body("full", [{"role": "user", "content": "hello"}]), claude_headers())
    assert status == 529 and error["error"]["type"] == "overloaded_error", error


run(None, globals())
