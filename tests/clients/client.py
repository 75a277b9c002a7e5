"""The official OpenAI client for Python. Prints `ok` or `FAIL` for each check, and `done` at the end."""

import json
import os
import traceback

import openai

URL = os.environ["FIRSTLINE_URL"]
LOCAL = "Do you deliver to France and Spain?"
REMOTE = "Prove that there are infinitely many primes."
STAND_IN = "[stand-in] no model wrote this."


def client(key=os.environ["FIRSTLINE_KEY"]):
    return openai.OpenAI(base_url=URL, api_key=key, max_retries=0, timeout=30)


def asked(text, model="auto", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def text_of(stream):
    chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    return said, ends, chunks


def raises(kind, code, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        assert error.code == code, error.code
        assert error.response.headers["x-firstline-decision-id"]
        return error
    raise AssertionError(f"no {kind.__name__}")


def local_whole():
    raw = client().chat.completions.with_raw_response.create(**asked(LOCAL))
    answer = raw.parse()
    assert raw.headers["x-firstline-route"] == "local" and raw.headers["x-firstline-evidence"] == "delivery-eu"
    assert "3 to 5 working days" in answer.choices[0].message.content
    assert answer.model == "desk" and answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 0


def local_streamed():
    stream = client().chat.completions.create(**asked(LOCAL), stream=True, stream_options={"include_usage": True})
    said, ends, chunks = text_of(stream)
    assert "3 to 5 working days" in said and ends == ["stop"]
    assert chunks[-1].usage.total_tokens > 0 and not chunks[-1].choices


def remote_whole():
    raw = client().chat.completions.with_raw_response.create(**asked(REMOTE))
    answer = raw.parse()
    assert raw.headers["x-firstline-route"] == "remote"
    assert answer.choices[0].message.content == STAND_IN and answer.usage.completion_tokens == 4


def remote_streamed():
    said, ends, chunks = text_of(client().chat.completions.create(**asked(REMOTE), stream=True))
    assert said == STAND_IN and ends == ["stop"]
    assert all(chunk.usage is None for chunk in chunks), "usage that was not asked for"


def remote_streamed_with_usage():
    stream = client().chat.completions.create(**asked(REMOTE), stream=True, stream_options={"include_usage": True})
    assert text_of(stream)[2][-1].usage.total_tokens == 15


def stream_helper():
    with client().chat.completions.stream(**asked(REMOTE)) as stream:
        assert "".join(event.delta for event in stream if event.type == "content.delta") == STAND_IN
        assert stream.get_final_completion().choices[0].message.content == STAND_IN


def by_alias():
    raw = client().chat.completions.with_raw_response.create(**asked(LOCAL, model="gpt-4o"))
    assert raw.headers["x-firstline-model"] == "remote"
    assert raw.parse().choices[0].message.content == STAND_IN


def models():
    ids = [model.id for model in client().models.list()]
    assert ids[0] == "auto" and {"desk", "remote", "gpt-4o"} <= set(ids), ids


def unknown_key():
    raises(openai.AuthenticationError, "caller_key_unknown", lambda: client("wrong").chat.completions.create(**asked(LOCAL)))


def unknown_model():
    error = raises(openai.NotFoundError, "caller_model_not_found", lambda: client().chat.completions.create(**asked(LOCAL, model="gpt-9")))
    assert error.param == "model" and "desk" in error.message


def model_not_allowed():
    kiosk = client(os.environ["FIRSTLINE_KIOSK_KEY"])
    raises(openai.PermissionDeniedError, "caller_model_not_allowed", lambda: kiosk.chat.completions.create(**asked(LOCAL, model="remote")))


def personal_data():
    text = "Compare these: my IBAN is GB82WEST12345698765432, prove that it is valid."
    error = raises(openai.PermissionDeniedError, "policy_residency", lambda: client().chat.completions.create(**asked(text)))
    assert error.response.headers["x-firstline-route"] == "refused"


def bad_request():
    raises(openai.BadRequestError, "caller_invalid_request", lambda: client().chat.completions.create(model="auto", messages="hello"))


def busy():
    raises(openai.RateLimitError, "rate_limit_exceeded", lambda: client().chat.completions.create(**asked(LOCAL, model="busy")))


def broken():
    try:
        client().chat.completions.create(**asked(LOCAL, model="broken"))
    except openai.InternalServerError as error:
        assert error.response.headers["x-should-retry"] == "false"
        return
    raise AssertionError("no InternalServerError")


def broken_streamed():
    try:
        list(client().chat.completions.create(**asked(LOCAL, model="busy"), stream=True))
    except openai.RateLimitError:
        return
    raise AssertionError("no RateLimitError")


TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def respond(text, **more):
    return client().responses.create(model=more.pop("model", "auto"), input=text, **more)


def responses_local():
    response = respond(LOCAL)
    assert response.status == "completed" and "3 to 5 working days" in response.output_text, response
    assert response.usage.total_tokens > 0 and response.model == "desk"


def responses_local_streamed():
    events = list(respond(LOCAL, stream=True))
    assert events[0].type == "response.created" and events[-1].type == "response.completed", [e.type for e in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == events[-1].response.output_text and "3 to 5 working days" in said


def responses_stream_helper():
    with client().responses.stream(model="auto", input=REMOTE) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == STAND_IN


def responses_with_a_tool():
    response = respond("The weather in Bonn?", model="claude", tools=[TOOL])
    call = next(item for item in response.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Bonn"})
    events = list(respond("The weather in Bonn?", model="claude", tools=[TOOL], stream=True))
    done = next(event for event in events if event.type == "response.function_call_arguments.done")
    assert json.loads(done.arguments) == {"city": "Bonn"}


def responses_gone_on_from():
    raises(openai.BadRequestError, "caller_invalid_request", lambda: respond("go on", previous_response_id="resp_1"))


def chat_by_another_dialect():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL["parameters"]}}]
    message = client().chat.completions.create(**asked("The weather in Bonn?", model="claude"), tools=tools).choices[0].message
    assert message.content == STAND_IN and json.loads(message.tool_calls[0].function.arguments) == {"city": "Bonn"}
    with client().chat.completions.stream(**asked("The weather in Bonn?", model="claude"), tools=tools) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls" and final.message.tool_calls[0].function.name == "weather"


def overloaded_elsewhere():
    try:
        client().chat.completions.create(**asked(REMOTE, model="full"))
    except openai.InternalServerError as error:
        assert error.status_code == 503 and error.body["message"] == "slow down", error.body
        return
    raise AssertionError("no InternalServerError")


def completions_whole():
    whole = client().completions.create(model="auto", prompt=LOCAL)
    assert "3 to 5 working days" in whole.choices[0].text and whole.choices[0].finish_reason == "stop"
    assert client().completions.create(model="auto", prompt=REMOTE).choices[0].text == STAND_IN


def completions_streamed():
    for question, wanted in [(LOCAL, "3 to 5 working days"), (REMOTE, STAND_IN)]:
        chunks = list(client().completions.create(model="auto", prompt=question, stream=True))
        assert wanted in "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)


CHECKS = [responses_local, responses_local_streamed, responses_stream_helper, responses_with_a_tool, responses_gone_on_from,
          chat_by_another_dialect, overloaded_elsewhere, completions_whole, completions_streamed, local_whole, local_streamed, remote_whole, remote_streamed, remote_streamed_with_usage, stream_helper,
          by_alias, models, unknown_key, unknown_model, model_not_allowed, personal_data, bad_request, busy, broken,
          broken_streamed]

for check in CHECKS:
    name = f"python {openai.__version__}: {check.__name__}"
    try:
        check()
        print("ok  ", name)
    except Exception:
        print("FAIL", name)
        traceback.print_exc()
print("done", flush=True)
