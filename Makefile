# Verbs only. `make` lists them.
CARGO ?= cargo
PYTHON ?= .venv/bin/python

.PHONY: help setup run demo test proofs aws-local aws-test template image bench lint doc deny ci contract

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

setup: ## Install what building needs: a C compiler and Python, from Debian, if missing
	@sh tests/setup.sh

run: setup ## Build, start Sidetone, and play Genesys Cloud against it until Ctrl-C
	@sh tests/estimate.sh target/release/sidetone 20
	$(CARGO) build --release --locked --bin sidetone
	@exec target/release/sidetone run --simulate

demo: setup ## One round of simulated calls, then a summary
	@sh tests/estimate.sh target/release/sidetone 20
	$(CARGO) build --release --locked --bin sidetone
	@exec target/release/sidetone simulate --embedded --scenario tour --speed 4

test: setup $(PYTHON) ## Every test
	@sh tests/estimate.sh target/debug/sidetone 40
	$(CARGO) build --locked --workspace --all-targets
	SIDETONE_PYTHON=$(abspath $(PYTHON)) $(CARGO) test --locked --workspace

proofs: setup ## Long proofs of which `make test` has a sample: 1,000 seeds at the API Gateway door
	SIDETONE_SEEDS=1000 $(CARGO) test --locked --package sidetone-lambda-door --lib -- disorder

contract: setup .venv-contract/bin/schemathesis ## The APIs against their OpenAPI documents; installs schemathesis from PyPI
	$(CARGO) build --locked --workspace --all-targets
	tests/contract.sh target/debug/sidetone $(abspath .venv-contract/bin/schemathesis)

aws-local: setup ## Deploy template.yaml to a local AWS with simulated calls, until Ctrl-C
	@sh tests/estimate.sh target/debug/aws-local 60
	$(CARGO) build --locked --workspace --bin aws-local
	@exec target/debug/aws-local up

aws-test: setup ## The tests of what is deployed, on a local AWS of their own
	@sh tests/estimate.sh target/debug/aws-local 60
	$(CARGO) build --locked --workspace --all-targets
	@exec target/debug/aws-local test

template: ## cfn-lint, sam validate and checkov on template.yaml; installs them from PyPI
	@sh infra/check.sh

image: ## The image of the audio door; the one target that needs a container engine
	sh infra/image/build.sh
	docker build --file infra/image/Dockerfile --build-arg BINARY=prebuilt --tag sidetone-door .

bench: setup ## The door, then all of `sidetone run`, beside a bare WebSocket sink; about 16 minutes
	$(CARGO) build --release --locked --bin bench --bin sidetone
	target/release/bench
	target/release/bench whole

lint: ## Format and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --package sidetone-tests-aws --test aws -- -D warnings

doc: ## Documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

deny: ## What `make test` checks of deny.toml, by cargo-deny from crates.io itself
	@echo "advisories are not checked: their database is fetched at the time of the check"
	$(CARGO) deny --locked check bans licenses sources

ci: test contract aws-test template lint doc ## What CI runs

.venv-contract/bin/schemathesis: tests/contract.txt
	python3 -m venv .venv-contract
	.venv-contract/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.venv/bin/python: tests/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
