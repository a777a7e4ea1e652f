# Each target sets up what it needs. A machine needs git, make, Node >= 20 and npm; the supported Node comes with the packages.

.DEFAULT_GOAL := help
CHECKS := check-format check-types check-imports check-dead-code check-contract check-generated check-dependencies
.PHONY: help setup up demo demo-commit test test-long check $(CHECKS) verify spec-mutants mutants simulate stress bench bench-peers profile generate format build release clean

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
INSTALLED := node_modules/.installed

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install the packages, and with them the supported Node

$(INSTALLED): package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo 'make: npm is missing; install Node >= 20' >&2; exit 1; }
	@echo 'installing packages ...'
	@npm ci
	@touch $@

up: setup ## serve gRPC on 127.0.0.1:50051 and HTTP on 127.0.0.1:50080, data in ./data; Ctrl-C stops it
	@exec env CONCORD_HTTP_LISTEN="$${CONCORD_HTTP_LISTEN-127.0.0.1:50080}" bin/concord serve

demo: setup ## run 500 workflows of a laboratory through their lives, with failures
	@exec bin/concord demo

demo-commit: setup ## play what can happen to a two-phase commit, as sequence diagrams
	@exec bin/concord demo commit

# These kill processes again and again, play demos, press a server for long, install packages, or run the model checker.
LONG_TESTS := $(wildcard test/e2e/kill-*.test.ts test/e2e/demo*.test.ts test/specs/*.test.ts) $(addprefix test/, \
	$(addsuffix .test.ts, contract/no-stall e2e/http-fuzz e2e/stranger e2e/participant-check e2e/package e2e/runbook e2e/take-over e2e/lost-promise e2e/no-answer e2e/linearizable \
	e2e/sinks-nats e2e/clients e2e/python-client e2e/go-client e2e/java-client e2e/bank-transfer e2e/backup e2e/mixed-stores e2e/store-file e2e/hostile-texts storage/power-loss storage/postgres-resource))

# Coverage is asked of the unit tests alone: it makes tests that compute slower by half.
test: setup ## run the tests, but for the long ones
	@vitest run --coverage --project unit --outputFile.json=.cache/unit-test-results.json; unit=$$?; \
	vitest run --project '!unit' $(addprefix --exclude ,$(LONG_TESTS)) && exit $$unit

test-long: setup ## run the long tests: processes that are killed, models, power that goes, demos, hostile calls, calls of any kind over HTTP
	@vitest run --outputFile.json=.cache/long-test-results.json $(LONG_TESTS)

check: $(CHECKS) ## format, lint, types, import rules, dead code, contract, generated code, dependencies; -j2 for two at a time

check-format: setup
	@biome ci --error-on-warnings .

check-types: setup
	@tsc -p tsconfig.json
	@tsc -p tsconfig.core.json

check-imports: setup
	@node scripts/check-imports.ts

check-dead-code: setup
	@knip

check-contract: setup
	@buf lint
	@buf format --diff --exit-code --path proto/concord
	@scripts/check-breaking

check-generated: setup
	@scripts/generate --check

check-dependencies: setup
	@node scripts/check-dependencies.ts

verify: setup ## check the models, break a hundred places of the specs, then check the cores against the models; MODEL=name checks one model, SEED=n breaks other places
	@node scripts/verify.ts $(if $(MODEL),--model $(MODEL))
	@$(if $(MODEL),true,node scripts/verify.ts --sample 100 $(if $(SEED),--seed $(SEED)))
	@$(if $(MODEL),true,node scripts/verify-code.ts)

spec-mutants: setup ## break the specs in every place, one at a time; a model must notice; an hour, MODULE=name takes one module
	@node scripts/verify.ts --mutants 0 $(if $(MODULE),--module $(MODULE))

mutants: setup ## change the code in one place at a time, and see that a test fails; as many as an hour allows, ALL=1 every one; SAMPLE=100 tries so many, SEED=n others, FILE=src/commit/ only there
	@node scripts/mutants.ts $(if $(ALL),--all) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(addprefix --file ,$(FILE))

simulate: setup ## run everything in faulty worlds; SEED=n replays one
	@bin/concord simulate $(if $(SEED),--seed $(SEED) --verbose)

stress: setup ## the largest models, transactions while every process is killed in turn, histories and watches under kills for MINUTES=2, random rules against a reference, every property with other draws, rules that take long, overload, hostile calls, calls of any kind, abuse of HTTP/2, HTTP by its description; SEED=n, and SEEDS=100000 simulated worlds first
	@$(if $(SEEDS),bin/concord simulate --seeds $(SEEDS),true)
	@node scripts/verify.ts --long
	@node scripts/verify-code.ts --part planted
	@node scripts/kill-stream.ts $(if $(SEED),--seed $(SEED))
	@node scripts/linearizable.ts --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED))
	@RUNS=200000 vitest run test/property/predicate/reference.test.ts --testTimeout=600000
	@vitest run --project property
	@node scripts/rules-load.ts
	@node scripts/overload.ts
	@node scripts/no-stall.ts
	@node scripts/restart.ts
	@node scripts/fuzz.ts $(if $(SEED),--seed $(SEED))
	@node scripts/http2-abuse.ts
	@SEED=$(or $(SEED),$$(date +%s)) PHASES=examples,coverage,fuzzing EXAMPLES=50 vitest run test/e2e/http-fuzz.test.ts --testTimeout=1800000

bench: setup ## measure, as ratios to an empty call in the same run, with targets met or not; ten minutes; table, JSON and a picture
	@node test/bench/main.ts --json .cache/bench/bench.json --svg .cache/bench/bench.svg
	@node test/bench/rules.ts

profile: setup ## say where the time of a call goes, and what it allocates; CALL=GetWorkflow looks at another one than TransitionWorkflow
	@node scripts/profile.ts $(addprefix --call ,$(CALL))

bench-peers: setup ## measure beside etcd, a function in PostgreSQL, and Narayana's two-phase commit, in the same run; the first time fetches and builds them, in minutes
	@node test/bench/peers/main.ts

generate: setup ## make src/gen from proto
	@scripts/generate

format: setup ## format code and contract
	@biome check --write .
	@buf format --write --path proto/concord

build: setup ## make dist, as it is published
	@rm -rf dist
	@tsc -p tsconfig.build.json
	@cp src/gen/descriptors.binpb src/gen/openapi.json dist/src/gen/
	@tar -c --exclude '*.ts' examples | tar -x -C dist

release: setup ## make what a release consists of, in release: the package, the contract, a bill of materials, checksums
	@scripts/release

clean: ## remove everything that can be made again; not ./data
	@rm -rf node_modules dist release coverage .cache
