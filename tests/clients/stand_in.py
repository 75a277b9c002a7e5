"""A stand-in for a remote model: speaks chat completions, has no model in it, and says so in every answer.

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

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, head, usage):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
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
