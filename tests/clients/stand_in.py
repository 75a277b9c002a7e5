"""A stand-in for a remote model: speaks chat completions and, under /anthropic, Messages; has no model in it, and says so in every answer.

Three models: `busy` answers 429, `broken` answers 500, any other one answers. The port it found is its first line of output.
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


class StandIn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.startswith("/anthropic"):
            return self.message(asked)
        head = {"id": "chatcmpl-stand-in", "created": 1, "model": asked["model"]}
        if asked["model"] in ERRORS:
            status, error = ERRORS[asked["model"]]
            self.answer(status, {"error": error})
        elif asked.get("stream"):
            self.stream(head, asked.get("stream_options", {}).get("include_usage"))
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.answer(200, head | {"object": "chat.completion", "choices": [choice], "usage": USAGE})

    def message(self, asked):
        """A message, with a call of the first tool where tools are offered."""
        if asked["model"] == "busy":
            return self.answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "slow down"}})
        usage = {"input_tokens": 11, "output_tokens": 4}
        blocks = [{"type": "text", "text": "".join(WORDS)}]
        blocks += [{"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": {"city": "Bonn"}} for tool in asked.get("tools", [])[:1]]
        end = "tool_use" if len(blocks) > 1 else "end_turn"
        head = {"id": "msg_stand_in", "type": "message", "role": "assistant", "model": asked["model"], "stop_sequence": None}
        if not asked.get("stream"):
            return self.answer(200, head | {"content": blocks, "stop_reason": end, "usage": usage})
        self.begin()
        self.named("message_start", message=head | {"content": [], "stop_reason": None, "usage": usage})
        for index, block in enumerate(blocks):
            empty = block | ({"text": ""} if block["type"] == "text" else {"input": {}})
            self.named("content_block_start", index=index, content_block=empty)
            deltas = [{"type": "text_delta", "text": word} for word in WORDS]
            if block["type"] == "tool_use":
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in ('{"city"', ': "Bonn"}')]
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

    def stream(self, head, usage):
        self.begin()
        deltas = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": word}, None) for word in WORDS]
        deltas += [({}, "stop")]
        for delta, end in deltas:
            self.event(head, [{"index": 0, "delta": delta, "finish_reason": end}], None)
        if usage:
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
