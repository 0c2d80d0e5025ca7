# One word for each thing one does with the tree. ARGS reaches the program behind it: `make bench ARGS=--quick`.
CARGO ?= cargo
ARGS ?=

.PHONY: demo test bench resources lint doc ci clean

# The proxy before a built-in example API, on the embedded store.
demo:
	$(CARGO) run --release --locked -- demo $(ARGS)

# The whole suite, and before it what the suite needs from the system.
test:
	scripts/setup
	$(CARGO) test --locked $(ARGS)

# CPU per request beside the floors and the neighbours; results land in bench-results/.
bench:
	$(CARGO) bench --locked --bench compare -- $(ARGS)

# Memory per entry, and what large bodies and wide invalidations do to small reads.
resources:
	$(CARGO) bench --locked --bench resources -- $(ARGS)

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib

ci:
	bash .ci/run

clean:
	$(CARGO) clean
	rm -rf bench-results
