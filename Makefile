# Tidegate: `make help` lists the targets; what takes more than a line is in scripts/.

.DEFAULT_GOAL := help
.PHONY: help run test check bench build ui model fuzz

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: ## build what changed and serve on http://127.0.0.1:5000 (pass flags on with ARGS="--port 5050")
	@scripts/run.sh $(ARGS)

test: ## prove everything: format, lints, Rust, UI, Python clients, browser; the last line counts
	@scripts/test.sh

check: ## format and clippy only, for while you write
	cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

bench: ## measure this machine and print the tables of benches/RESULTS.md (choose parts with ARGS="gateway search")
	@scripts/bench.sh $(ARGS)

build: ui ## the binary to install, optimised as a whole, with the UI inside: target/dist/tidegate (10 min)
	cargo build --profile dist --workspace --bin tidegate

ui: ## the web app, as ui/dist
	@scripts/ui.sh

fuzz: ## send random filters and bodies, a minute each (SECONDS_EACH=600 looks longer, ARGS=gateway at one of them)
	@scripts/fuzz.sh $(ARGS)

model: ## fetch the demo model into the cache folder, once
	@scripts/model.sh
