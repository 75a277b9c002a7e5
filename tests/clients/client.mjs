// The official OpenAI client for Node. Prints `ok` or `FAIL` for each check, and `done` at the end.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// ES modules do not look at NODE_PATH, so the package is found from the folder it was installed in.
const require = createRequire(`${process.argv[2]}/`);
const OpenAI = require("openai");
const { version } = require(`${process.argv[2]}/node_modules/openai/package.json`);

const LOCAL = "Do you deliver to France and Spain?";
const REMOTE = "Prove that there are infinitely many primes.";
const STAND_IN = "[stand-in] no model wrote this.";

const client = (apiKey = process.env.FIRSTLINE_KEY) =>
  new OpenAI({ baseURL: process.env.FIRSTLINE_URL, apiKey, maxRetries: 0, timeout: 30_000 });
const asked = (content, more = {}) => ({ model: "auto", messages: [{ role: "user", content }], ...more });
const ask = (content, more) => client().chat.completions.create(asked(content, more));

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const said = choices.map((choice) => choice.delta.content ?? "").join("");
  const ends = choices.map((choice) => choice.finish_reason).filter(Boolean);
  return { said, ends, chunks };
}

async function rejects(kind, code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.constructor, kind);
    assert.equal(error.code, code);
    assert.ok(error.headers.get("x-firstline-decision-id"));
    return true;
  });
}

const checks = {
  async localWhole() {
    const { data, response } = await client().chat.completions.create(asked(LOCAL)).withResponse();
    assert.equal(response.headers.get("x-firstline-route"), "local");
    assert.equal(response.headers.get("x-firstline-evidence"), "delivery-eu");
    assert.match(data.choices[0].message.content, /3 to 5 working days/);
    assert.equal(data.model, "desk");
  },
  async localStreamed() {
    const { said, ends, chunks } = await collected(
      await ask(LOCAL, { stream: true, stream_options: { include_usage: true } }));
    assert.match(said, /3 to 5 working days/);
    assert.deepEqual(ends, ["stop"]);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
  },
  async remoteWhole() {
    const { data, response } = await client().chat.completions.create(asked(REMOTE)).withResponse();
    assert.equal(response.headers.get("x-firstline-route"), "remote");
    assert.equal(data.choices[0].message.content, STAND_IN);
  },
  async remoteStreamed() {
    const { said, ends, chunks } = await collected(await ask(REMOTE, { stream: true }));
    assert.equal(said, STAND_IN);
    assert.deepEqual(ends, ["stop"]);
    assert.ok(chunks.every((chunk) => !chunk.usage));
  },
  async streamHelper() {
    const stream = client().chat.completions.stream(asked(REMOTE));
    assert.equal(await stream.finalContent(), STAND_IN);
  },
  async aStreamLeftEarly() {
    for await (const chunk of await ask(REMOTE, { stream: true })) {
      assert.ok(chunk.id);
      break;
    }
    assert.equal((await ask(REMOTE)).choices[0].message.content, STAND_IN);
  },
  async byAlias() {
    assert.equal((await ask(LOCAL, { model: "gpt-4o" })).choices[0].message.content, STAND_IN);
  },
  async models() {
    const ids = (await client().models.list()).data.map((model) => model.id);
    assert.equal(ids[0], "auto");
    assert.ok(ids.includes("desk") && ids.includes("remote"));
  },
  async responsesWholeAndStreamed() {
    const whole = await client().responses.create({ model: "auto", input: LOCAL });
    assert.equal(whole.status, "completed");
    assert.match(whole.output_text, /3 to 5 working days/);
    for (const [input, wanted] of [[LOCAL, whole.output_text], [REMOTE, STAND_IN]]) {
      const stream = client().responses.stream({ model: "auto", input });
      assert.equal((await stream.finalResponse()).output_text, wanted);
    }
  },
  async responsesWithATool() {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function", name: "weather", parameters }];
    const { output } = await client().responses.create({ model: "claude", input: "The weather in Bonn?", tools });
    const call = output.find((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), { city: "Bonn" });
  },
  async completions() {
    const whole = await client().completions.create({ model: "auto", prompt: REMOTE });
    assert.equal(whole.choices[0].text, STAND_IN);
    let said = "";
    for await (const chunk of await client().completions.create({ model: "auto", prompt: LOCAL, stream: true })) {
      said += chunk.choices[0]?.text ?? "";
    }
    assert.match(said, /3 to 5 working days/);
  },
  async unknownKey() {
    const wrong = client("wrong");
    await rejects(OpenAI.AuthenticationError, "caller_key_unknown", () => wrong.chat.completions.create(asked(LOCAL)));
  },
  async unknownModel() {
    await rejects(OpenAI.NotFoundError, "caller_model_not_found", () => ask(LOCAL, { model: "gpt-9" }));
  },
  async modelNotAllowed() {
    const kiosk = client(process.env.FIRSTLINE_KIOSK_KEY);
    await rejects(OpenAI.PermissionDeniedError, "caller_model_not_allowed",
      () => kiosk.chat.completions.create(asked(LOCAL, { model: "remote" })));
  },
  async personalData() {
    await rejects(OpenAI.PermissionDeniedError, "policy_residency",
      () => ask("Compare these: my IBAN is GB82WEST12345698765432, prove that it is valid."));
  },
  async badRequest() {
    await rejects(OpenAI.BadRequestError, "caller_invalid_request", () => ask(LOCAL, { messages: "hello" }));
  },
  async busy() {
    await rejects(OpenAI.RateLimitError, "rate_limit_exceeded", () => ask(LOCAL, { model: "busy" }));
  },
  async broken() {
    await assert.rejects(() => ask(LOCAL, { model: "broken" }), OpenAI.InternalServerError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok   node ${version}: ${name}`);
  } catch (error) {
    console.log(`FAIL node ${version}: ${name}`);
    console.log(error);
  }
}
console.log("done");
