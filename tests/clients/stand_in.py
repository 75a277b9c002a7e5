"""A stand-in for a remote model: speaks chat completions and, under /anthropic, Messages; has no model in it, and says so in every text.

Three models: `busy` answers 429, `broken` answers 500, any other one answers: with a call of a tool where tools are offered and the
conversation does not end in a tool's result, with JSON of the wanted schema where one is given, else with the same words. What a tool or
a schema wants is filled by type (`sample`). The port it found is its first line of output.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["[stand-in] ", "no model ", "wrote ", "this."]
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
ERRORS = {
    "busy": (429, {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}),
    "broken": (500, {"message": "it broke", "type": "server_error", "param": None, "code": None}),
}
EMPTY = (400, {"message": "there is no message", "type": "invalid_request_error", "param": "messages", "code": None})


def sample(schema, root=None):
    """A value that the schema takes: the first of what may be chosen, and the same text and number everywhere."""
    root = root or schema
    if "$ref" in schema:
        found = root
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        return sample(found, root)
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(inner, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema["items"], root)] if "items" in schema else []
    return {"string": "Bonn", "integer": 3, "number": 3.0, "boolean": True}.get(kind)


def chosen(tools, choice, has_result):
    """The tool that is called, if any: the one that was asked for by name, else the first; after a result only where one must be called."""
    mode = choice.get("type") if isinstance(choice, dict) else choice
    if not tools or mode == "none":
        return None
    if isinstance(choice, dict):
        wanted = choice.get("name") or choice.get("function", {}).get("name")
        if wanted:
            return next(tool for tool in tools if tool["name"] == wanted)
    if has_result:
        return tools[-1] if mode in ("required", "any") else None
    return tools[0]


def halves(text):
    return text[: len(text) // 2], text[len(text) // 2 :]


class StandIn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            self.message(asked) if self.path.startswith("/anthropic") else self.chat(asked)
        except (AttributeError, IndexError, KeyError, StopIteration, TypeError):
            self.answer(EMPTY[0], {"type": "error", "error": EMPTY[1] | {"message": "this makes no sense"}})

    def chat(self, asked):
        head = {"id": "chatcmpl-stand-in", "created": 1, "model": asked["model"]}
        if asked["model"] in ERRORS or not asked["messages"]:
            status, error = ERRORS.get(asked["model"], EMPTY)
            self.answer(status, {"error": error})
        elif asked.get("stream"):
            self.stream(head, asked)
        else:
            words, call = self.reply(asked)
            message = {"role": "assistant", "content": None if call else "".join(words)}
            message |= {"tool_calls": [call]} if call else {}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
            self.answer(200, head | {"object": "chat.completion", "choices": [choice], "usage": USAGE})

    def reply(self, asked):
        """The words of an answer and the call in it, in chat's form."""
        tools = [tool["function"] for tool in asked.get("tools") or [] if "function" in tool]
        tool = chosen(tools, asked.get("tool_choice"), asked["messages"][-1]["role"] == "tool")
        if tool:
            arguments = json.dumps(sample(tool.get("parameters", {})))
            return [], {"id": "call_1", "type": "function", "function": {"name": tool["name"], "arguments": arguments}}
        wanted = asked.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            return halves(json.dumps(sample(wanted["json_schema"]["schema"]))), None
        return WORDS if wanted.get("type") != "json_object" else ['{"city": ', '"Bonn"}'], None

    def message(self, asked):
        """A message, with a call of the first tool where tools are offered."""
        if asked["model"] == "busy":
            return self.answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "slow down"}})
        if not asked["messages"]:
            return self.answer(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "there is no message"}})
        usage = {"input_tokens": 11, "output_tokens": 4}
        schema = asked.get("output_config", {}).get("format", {}).get("schema")
        words = halves(json.dumps(sample(schema))) if schema else WORDS
        blocks = [{"type": "text", "text": "".join(words)}]
        last = asked["messages"][-1]["content"]
        result = not isinstance(last, str) and any(block["type"] == "tool_result" for block in last)
        tool = chosen(asked.get("tools", []), asked.get("tool_choice"), result)
        if tool:
            blocks.append({"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": sample(tool["input_schema"])})
        end = "tool_use" if len(blocks) > 1 else "end_turn"
        head = {"id": "msg_stand_in", "type": "message", "role": "assistant", "model": asked["model"], "stop_sequence": None}
        if not asked.get("stream"):
            return self.answer(200, head | {"content": blocks, "stop_reason": end, "usage": usage})
        self.begin()
        self.named("message_start", message=head | {"content": [], "stop_reason": None, "usage": usage})
        for index, block in enumerate(blocks):
            empty = block | ({"text": ""} if block["type"] == "text" else {"input": {}})
            self.named("content_block_start", index=index, content_block=empty)
            deltas = [{"type": "text_delta", "text": word} for word in words]
            if block["type"] == "tool_use":
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in halves(json.dumps(block["input"]))]
            for delta in deltas:
                self.named("content_block_delta", index=index, delta=delta)
            self.named("content_block_stop", index=index)
        self.named("message_delta", delta={"stop_reason": end, "stop_sequence": None}, usage=usage)
        self.named("message_stop")
        self.chunk(b"")

    def named(self, kind, **rest):
        self.chunk(f"event: {kind}\ndata: {json.dumps({'type': kind} | rest)}\n\n".encode())

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def stream(self, head, asked):
        self.begin()
        words, call = self.reply(asked)
        deltas = [({"role": "assistant", "content": None if call else ""}, None)]
        deltas += [({"content": word}, None) for word in words]
        if call:
            arguments = call["function"]["arguments"]
            empty = call | {"index": 0, "function": call["function"] | {"arguments": ""}}
            deltas.append(({"tool_calls": [empty]}, None))
            deltas += [({"tool_calls": [{"index": 0, "function": {"arguments": half}}]}, None) for half in halves(arguments)]
        deltas += [({}, "tool_calls" if call else "stop")]
        for delta, end in deltas:
            self.event(head, [{"index": 0, "delta": delta, "finish_reason": end}], None)
        if (asked.get("stream_options") or {}).get("include_usage"):
            self.event(head, [], USAGE)
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, head, choices, usage):
        chunk = head | {"object": "chat.completion.chunk", "choices": choices, "usage": usage}
        self.chunk(f"data: {json.dumps(chunk)}\n\n".encode())

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def log_message(self, *_):
        """Quiet: the clients say what went wrong."""


server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
print(server.server_address[1])
sys.stdout.flush()
server.serve_forever()
