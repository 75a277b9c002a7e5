"""The gateway before a real llama.cpp server: `python check.py FIRSTLINE FOLDER_OF_GGUF [REPORT.json]`.

The models are random; what is checked is that the gateway finds the server, passes its answers on unchanged, whole and
streamed, notices when it is away or lacks a model, takes the next step at once, and comes back to it. The remote model
behind it is a stand-in, and says so.
"""

import http.server
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PROMPTS = ["Where is my order?", "Größe 🎁 é", "the other one, then"]


class StandIn(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "a stand-in answers"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": "stand-in", "choices": [choice]}
        body["usage"] = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, condition, seconds=90):
    end = time.time() + seconds
    while time.time() < end:
        try:
            found = condition()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"waited in vain for {what}")


def fetch(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.headers, answer.read().decode()


def chat(base, model, text, stream=False):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 24}
    if stream:
        body["stream"] = True
    headers, answer = fetch(f"{base}/chat/completions", body)
    if not stream:
        return headers, json.loads(answer)["choices"][0]["message"]["content"]
    # Not splitlines: a model may say letters that it takes for ends of lines.
    lines = [line[6:].rstrip("\r") for line in answer.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]", answer[-200:]
    deltas = [json.loads(line)["choices"] for line in lines[:-1]]
    return headers, "".join(choice[0]["delta"].get("content") or "" for choice in deltas if choice)


def serve(model, port):
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny", "--port", str(port)]
    return subprocess.Popen([*command, "--n_ctx", "512", "--n_threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def config(port, far):
    near = f"http://127.0.0.1:{port}/v1"
    return f"""version: 1
name: local-servers
listen: {{api: "127.0.0.1:0"}}
encoder: {{deadline: 30s}}
quality: {{threshold: 1, escalate_on: []}}
models:
  - {{name: near, tier: local, upstream: {{base_url: "{near}", model: tiny}}, timeouts: {{first_token: 20s, cold_start: 60s}}}}
  - {{name: other, tier: local, upstream: {{base_url: "{near}", model: not-there}}}}
  - {{name: far, tier: remote, upstream: {{base_url: "http://127.0.0.1:{far}/v1", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}
routes:
  - {{name: all, use: [near, far]}}
"""


def checked(firstline, model):
    """Goes through the life of one server; gives what was seen."""
    port, seen = free_port(), []
    far = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=far.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.yaml"
        file.write_text(config(port, far.server_address[1]))
        gateway = subprocess.Popen([firstline, "serve", "--config", str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        server = None
        try:
            base = gateway.stdout.readline().split()[2] + "/v1"
            ready = base.removesuffix("/v1") + "/readyz"
            until("the gateway", lambda: "not there" in fetch(ready)[1])
            headers, text = chat(base, "auto", PROMPTS[0])
            assert (headers["x-firstline-model"], text) == ("far", "a stand-in answers"), dict(headers)
            seen.append("away: told by /readyz, the next model answers")
            server = serve(model, port)
            until("the server", lambda: fetch(f"http://127.0.0.1:{port}/v1/models"))
            until("the look", lambda: "near:" not in fetch(ready)[1])
            assert "other: its server does not have `not-there`; it has: tiny" in fetch(ready)[1]
            seen.append("a model that it lacks: told by /readyz")
            for prompt in PROMPTS:
                # The server's own stream may leave out half a letter at the end that its whole answer shows, so each form is
                # compared with the same form.
                for stream in [False, True]:
                    direct = chat(f"http://127.0.0.1:{port}/v1", "tiny", prompt, stream)[1]
                    headers, through = chat(base, "auto", prompt, stream)
                    assert headers["x-firstline-model"] == "near", dict(headers)
                    assert through == direct and direct, (through, direct)
            seen.append("answers whole and streamed: those of the server itself")
            server.send_signal(signal.SIGKILL)
            server.wait()
            began = time.time()
            headers, _ = chat(base, "auto", PROMPTS[1])
            took = time.time() - began
            assert headers["x-firstline-model"] == "far" and took < 2, (dict(headers), took)
            seen.append(f"killed: the next model answers after {took * 1000:.0f} ms")
            server = serve(model, port)
            until("the server's return", lambda: chat(base, "auto", PROMPTS[2])[0]["x-firstline-model"] == "near")
            seen.append("back: it answers again")
        finally:
            gateway.terminate()
            if server is not None:
                server.kill()
            gateway.wait(20)
    return seen


def main():
    firstline, folder = sys.argv[1], Path(sys.argv[2])
    import llama_cpp

    lines = [f"llama-cpp-python {llama_cpp.__version__} (llama.cpp's own engine behind an OpenAI front), random weights:", ""]
    for model in sorted(folder.glob("*.gguf")):
        for line in checked(firstline, model):
            print(f"{model.stem}: {line}", flush=True)
            lines.append(f"- {model.stem}: {line}")
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text(json.dumps({"lines": lines}))


if __name__ == "__main__":
    main()
