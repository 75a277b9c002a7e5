"""The official Anthropic client for Python. Prints `ok` or `FAIL` for each check, and `done` at the end."""

import os
import traceback

import anthropic

LOCAL = "Do you deliver to France and Spain?"
REMOTE = "Prove that there are infinitely many primes."
STAND_IN = "[stand-in] no model wrote this."
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def client(api_key=None):
    base = os.environ["FIRSTLINE_URL"].removesuffix("/v1")
    return anthropic.Anthropic(base_url=base, api_key=api_key or os.environ["FIRSTLINE_KEY"], max_retries=0, timeout=30)


def asked(text, **more):
    return {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": text}]} | more


def raises(kind, code, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        assert error.body["error"].get("code") == code, error.body
        assert error.response.headers["request-id"] == error.request_id
        return error
    raise AssertionError(f"no {kind.__name__}")


def local_whole():
    raw = client().messages.with_raw_response.create(**asked(LOCAL))
    assert raw.headers["x-firstline-route"] == "local"
    message = raw.parse()
    assert "3 to 5 working days" in message.content[0].text and message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0 and message.model == "desk"


def local_streamed():
    with client().messages.stream(**asked(LOCAL)) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "3 to 5 working days" in said and final.content[0].text == said
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0


def through_openai():
    message = client().messages.create(**asked(REMOTE))
    assert message.content[0].text == STAND_IN and message.usage.input_tokens == 11
    with client().messages.stream(**asked(REMOTE)) as stream:
        assert "".join(stream.text_stream) == STAND_IN
        assert stream.get_final_message().usage.input_tokens == 11


def as_it_comes():
    raw = client().messages.with_raw_response.create(**asked(REMOTE, model="claude-sonnet-4-5"))
    assert raw.headers["x-firstline-model"] == "claude" and raw.parse().id == "msg_stand_in"


def tools():
    message = client().messages.create(**asked("The weather in Bonn?", model="claude", tools=[TOOL]))
    assert message.stop_reason == "tool_use" and message.content[1].input == {"city": "Bonn"}
    with client().messages.stream(**asked("The weather in Bonn?", model="claude", tools=[TOOL])) as stream:
        final = stream.get_final_message()
    assert final.content[1].input == {"city": "Bonn"}


def tokens():
    count = client().messages.count_tokens(model="auto", messages=[{"role": "user", "content": LOCAL}])
    assert count.input_tokens > 5


def unknown_key():
    raises(anthropic.AuthenticationError, "caller_key_unknown", lambda: client("wrong").messages.create(**asked(LOCAL)))


def unknown_model():
    raises(anthropic.NotFoundError, "caller_model_not_found", lambda: client().messages.create(**asked(LOCAL, model="gpt-9")))


def personal_data():
    text = "Compare these: my IBAN is GB82WEST12345698765432, prove that it is valid."
    raises(anthropic.PermissionDeniedError, "policy_residency", lambda: client().messages.create(**asked(text)))


def bad_request():
    raises(anthropic.BadRequestError, "caller_not_translatable", lambda: client().messages.create(**asked(REMOTE, model="remote", top_k=5)))


def busy():
    raises(anthropic.RateLimitError, "rate_limit_exceeded", lambda: client().messages.create(**asked(REMOTE, model="busy")))


def overloaded():
    try:
        client().messages.create(**asked(REMOTE, model="full"))
    except anthropic.APIStatusError as error:
        assert type(error).__name__ == "OverloadedError" and error.body["error"]["type"] == "overloaded_error", error.body
        return
    raise AssertionError("no OverloadedError")


CHECKS = [local_whole, local_streamed, through_openai, as_it_comes, tools, tokens, unknown_key, unknown_model, personal_data,
          bad_request, busy, overloaded]

for check in CHECKS:
    name = f"anthropic {anthropic.__version__}: {check.__name__}"
    try:
        check()
        print("ok  ", name)
    except Exception:
        print("FAIL", name)
        traceback.print_exc()
print("done", flush=True)
