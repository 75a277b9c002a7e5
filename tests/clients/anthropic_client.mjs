// The official Anthropic client for Node.
import assert from "node:assert/strict";
import { KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, load, run, versionOf } from "./checks.mjs";

const { default: Anthropic } = await load("@anthropic-ai/sdk");
const baseURL = URL.replace(/\/v1$/, "");
const client = (apiKey = KEY) => new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const asked = (content, more = {}) => ({ model: "auto", max_tokens: 64, messages: [{ role: "user", content }], ...more });
const weather = {
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

async function rejects(kind, code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.constructor, kind);
    assert.equal(error.error.error.code, code);
    assert.equal(error.requestID, error.headers.get("request-id"));
    return true;
  });
}

await run(`anthropic-node ${versionOf("@anthropic-ai/sdk")}`, {
  async localWhole() {
    const { data, response } = await client().messages.create(asked(LOCAL)).withResponse();
    assert.equal(response.headers.get("x-firstline-route"), "local");
    assert.match(data.content[0].text, LOCAL_SAYS);
    assert.equal(data.stop_reason, "end_turn");
  },
  async streamed() {
    for (const [question, wanted] of [[LOCAL, LOCAL_SAYS], [REMOTE, /^\[stand-in\] no model wrote this\.$/]]) {
      const final = await client().messages.stream(asked(question)).finalMessage();
      assert.match(final.content[0].text, wanted);
      assert.ok(final.usage.output_tokens > 0);
    }
  },
  async throughOpenai() {
    const message = await client().messages.create(asked(REMOTE, { model: "remote" }));
    assert.equal(message.content[0].text, STAND_IN);
    assert.equal(message.usage.input_tokens, 11);
  },
  async asItComes() {
    const message = await client().messages.create(asked(REMOTE, { model: "claude-sonnet-4-5" }));
    assert.equal(message.id, "msg_stand_in");
  },
  async tools() {
    for (const model of ["claude", "remote"]) {
      const whole = await client().messages.create(asked("The weather in Bonn?", { model, tools: [weather] }));
      const streamed = await client().messages.stream(asked("The weather in Bonn?", { model, tools: [weather] })).finalMessage();
      for (const message of [whole, streamed]) {
        assert.equal(message.stop_reason, "tool_use");
        assert.deepEqual(message.content.find((block) => block.type === "tool_use").input, { city: "Bonn" });
      }
    }
  },
  async toolResults() {
    for (const model of ["claude", "remote"]) {
      const use = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Bonn" } };
      const result = { type: "tool_result", tool_use_id: "toolu_1", content: "rain" };
      const messages = [
        { role: "user", content: "The weather in Bonn?" },
        { role: "assistant", content: [use] },
        { role: "user", content: [result] },
      ];
      const message = await client().messages.create({ model, max_tokens: 64, messages, tools: [weather] });
      assert.equal(message.content[0].text, STAND_IN);
    }
  },
  async countTokens() {
    const { input_tokens } = await client().messages.countTokens({ model: "auto", messages: [{ role: "user", content: LOCAL }] });
    assert.ok(input_tokens > 5);
  },
  async errors() {
    await rejects(Anthropic.AuthenticationError, "caller_key_unknown", () => client("wrong").messages.create(asked(LOCAL)));
    await rejects(Anthropic.NotFoundError, "caller_model_not_found", () => client().messages.create(asked(LOCAL, { model: "gpt-9" })));
    await rejects(Anthropic.BadRequestError, "caller_not_translatable",
      () => client().messages.create(asked(REMOTE, { model: "remote", top_k: 5 })));
    await rejects(Anthropic.RateLimitError, "rate_limit_exceeded", () => client().messages.create(asked(REMOTE, { model: "busy" })));
    await rejects(Anthropic.PermissionDeniedError, "policy_residency",
      () => client().messages.create(asked("Compare these: my IBAN is GB82WEST12345698765432, prove that it is valid.")));
  },
});
