# The front door. Meson and Ninja do the work; what stands here only says in which order. See `make
# help`.

BUILD ?= build
FUZZ_SECONDS ?= 600
KILLS ?= 100
DESTDIR ?=

# In CI warnings are errors; a newer compiler than ours must not stop a newcomer.
WERROR := $(if $(CI),true,false)

PROFILE ?= embedded

.PHONY: all demo serve cluster test kills pictures simulate bench fuzz check mutants format install deb clean help

all:
	@tools/setup build
	@tools/build $(BUILD)

demo: ## watch a flash sale, with a crash in the middle and a verdict; PROFILE=cluster: at two gates, with three
ifeq ($(PROFILE),embedded)
	@$(MAKE) --no-print-directory all
	@$(BUILD)/penstock demo
else ifeq ($(PROFILE),cluster)
	@tools/cluster demo
else
	@echo 'make demo: there is no PROFILE $(PROFILE); there are embedded (what you get without) and cluster' >&2; exit 2
endif

serve: all ## leave a server running with a sample sale, and a page that sells it
	@tools/serve $(BUILD)/penstock

cluster: ## leave a cluster running: Redis, Kafka, PostgreSQL, two gates, a drain, and a sample sale
	@tools/cluster up

test: ## unit tests, then the whole program
	@tools/setup build test
	@tools/test

kills: ## KILLS (100) deaths of gate, drain and relay each, while orders are bought and paid
	@tools/setup build test
	@KILLS=$(KILLS) tools/test tests/whole/test_payment_kills.py

pictures: all ## the README's pictures anew, of the program itself in a browser
	@tools/setup build test
	@build-venv/bin/python tools/pictures $(BUILD)/penstock

simulate: ## worlds of the whole program; SEED=7 SHAPE=cluster: that one, TRACE=1 told in full; SEEDS=10000, or HOURS=8
	@tools/setup build test
	@tools/simulate $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS))) $(if $(FROM),--from $(FROM)) $(if $(HOURS),--hours $(HOURS)) $(if $(SHAPE),--shape $(SHAPE)) $(if $(WITHOUT),--without $(WITHOUT)) $(if $(TRACE),--trace)

bench: all ## speed, beside its peers on the same machine
	@tools/setup build bench
	@tools/build build-test -Dtesting=true
	@bench/run

fuzz: ## FUZZ_SECONDS (600) on each target
	@tools/setup build fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz

check: ## format, include law, static analysis, sanitizers, a short fuzz run
	@tools/setup build test check fuzz
	@tools/check

mutants: ## break the program on purpose, one fault at a time, and show which test and which world finds each
	@tools/setup build test
	@tools/mutants

format: ## lay out every C file by .clang-format
	@tools/setup check
	@tools/format

install: all ## to DESTDIR and /usr/local
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

deb: ## packages for Debian and Ubuntu, in build-deb/
	@tools/setup build deb
	@tools/deb

clean: ## remove every build folder
	rm -rf build build-*

help:
	@echo 'make             build $(BUILD)/penstock'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r name what; do printf 'make %-11s %s\n' "$$name" "$$what"; done
