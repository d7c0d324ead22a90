# One build serves everything: release mode, tests included. Nothing is built twice.
# Only the fuzzers, which need instrumented code, have a folder of their own.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

BUILD := swift build -c release --build-tests
BIN := .build/release

# Knobs: make fuzz SECONDS=60 TARGET=yamux; make kill-loop KILLS=500; make test FILTER=Yamux
# make soak MINUTES=10 SEED=7
# make sim SCENARIO=lookup SEED=42 NODES=1000
SECONDS ?= 60
TARGET ?=
KILLS ?= 10000
MINUTES ?= 3
FILTER ?=
SEED ?= 1
SCENARIO ?= mixed
NODES ?=

.PHONY: help setup build release demo test check lint format bench fuzz interop kill-loop soak sim clean

help: ## What can be made
	@echo "peernode: make TARGET"
	sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Installs what is missing (system libraries; asks for root only then)
	@scripts/setup

build: setup ## Builds everything, tests included, in release mode
	@$(BUILD)

release: build ## The program, at .build/release/peernode
	@scripts/check-binary $(BIN)/peernode

demo: build ## An album is published, found, followed and played on eight nodes; compares every byte
	@$(BIN)/testnet demo

test: build ## All tests
	@scripts/test $(if $(FILTER),--filter '$(FILTER)',--and-kill 100 --and-soak 0.5)

check: build lint ## Format, warnings, house rules, declared imports, the program's libraries
	@scripts/check

lint: ## Only the format check
	@scripts/lint

format: ## Rewrites the sources in the house format
	@swift format format --in-place --recursive --parallel Package.swift Sources Tests Fuzz testnet $(wildcard Benchmarks)

bench: build ## Measures, each figure beside its limit from the same run
	@BENCH=1 $(BUILD)
	$(BIN)/benchmarks

fuzz: setup ## libFuzzer on every target, or on TARGET, for SECONDS each
	@scripts/fuzz "$(SECONDS)" "$(TARGET)"

interop: build ## A foreign implementation and ours, in both directions
	@interop/run

kill-loop: build ## Kills a node KILLS times at random moments and checks that nothing is lost
	@$(BIN)/testnet torture --kills $(KILLS)

soak: build ## Users publish and follow on ten nodes for MINUTES while nodes are killed; nothing may be lost
	@$(BIN)/testnet soak --minutes $(MINUTES) --seed $(SEED)

sim: build ## SCENARIO (or all) on NODES nodes in virtual time; the same run for the same SEED
	@$(BIN)/testnet sim --scenario $(SCENARIO) --seed $(SEED) $(if $(NODES),--nodes $(NODES))

clean: ## Removes what was built
	@rm -rf .build .build-fuzz .venv
