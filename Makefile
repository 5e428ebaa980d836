# The few commands that a newcomer needs. `make` lists them; what they check is in `cargo xtask`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build components test demo bench fmt clean

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */|/' \
	  | awk -F'|' '{ printf "make %-10s %s\n", $$1, $$2 }'

build: ## build the server (release)
	cargo build --release --locked --package pointsman

components: ## build the WebAssembly components of the examples
	@./scripts/components.sh

test: ## everything a change must pass; installs what the tests need
	@./scripts/dependencies.sh
	@source target/dependencies.env && cargo xtask ci

demo: components ## start a server, run the example through it, stop it
	@./scripts/demo.sh

bench: ## run the benchmarks
	cargo bench --workspace --locked

fmt: ## format the code
	cargo fmt --all

clean: ## remove what was built
	cargo clean
