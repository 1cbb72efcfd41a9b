# The daily words. `make` alone lists them. STACK=dev make up; FLAGS go to the verb as they are.
.DEFAULT_GOAL := help
export PGSTEAD_STACK := $(or $(STACK),$(PGSTEAD_STACK))
ifeq ($(PGSTEAD_STACK),)
unexport PGSTEAD_STACK
endif
PGSTEAD := node dist/start.cjs
SOURCES := $(shell find cli config docker operate -name '*.ts' 2>/dev/null)

.PHONY: help setup up down preview outputs status check doctor logs psql restart migrate backup test quick faults mutants lint format bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: dist/pgstead.cjs ## install what the project needs and build `pgstead`

node_modules/.package-lock.json: package-lock.json
	@sh tools/check-node.sh
	@# Not `npm ci`: it refuses a lock file that lacks packages of platforms other than its writer's.
	npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

dist/pgstead.cjs: node_modules/.package-lock.json $(SOURCES)
	@npm run --silent build

up: setup ## bring the stack up
	@$(PGSTEAD) up $(FLAGS)

down: setup ## take the stack down; data is kept
	@$(PGSTEAD) down $(FLAGS)

preview: setup ## what `up` would change
	@$(PGSTEAD) preview $(FLAGS)

outputs: setup ## what applications connect with
	@$(PGSTEAD) outputs $(FLAGS)

status: setup ## server, versions, size, migrations
	@$(PGSTEAD) status $(FLAGS)

check: setup ## health, extension, configured checks
	@$(PGSTEAD) check $(FLAGS)

doctor: setup ## what this machine has and lacks
	@$(PGSTEAD) doctor $(FLAGS)

logs: setup ## the server's log
	@$(PGSTEAD) logs $(FLAGS)

psql: setup ## a shell on the database
	@$(PGSTEAD) psql $(FLAGS)

restart: setup ## restart the database
	@$(PGSTEAD) restart $(FLAGS)

migrate: setup ## apply pending migrations now
	@$(PGSTEAD) migrate up $(FLAGS)

backup: setup ## take a backup now
	@$(PGSTEAD) backup now $(FLAGS)

test: setup ## every check and test
	@npm run --silent test

quick: setup ## the tests that need no engine: types, style, dead code, unit, package
	@npm run --silent test -- --quick

faults: setup ## every fault row, many seeded kills and files (SEED, KILLS, KILL_STRIDE, CASES)
	@KILLS=$${KILLS:-12} KILL_STRIDE=$${KILL_STRIDE:-1} BACKUP_STRIKES=$${BACKUP_STRIKES:-25} CASES=$${CASES:-500} PGSTEAD_FAULTS=all PGSTEAD_OFFICIAL_PACE=1 npm run --silent test -- faults migrate "front door" stack backup

mutants: setup ## changes of the sources that no unit test notices (COUNT, SEED, SHELVES)
	@npm run --silent mutants -- --count $${COUNT:-25} --seed $${SEED:-1} $(SHELVES)

lint: setup ## types, style, dead code
	@npm run --silent typecheck && npm run --silent lint

format: setup ## format in place
	@npm run --silent format

bench: setup ## measure against peers and floors
	@npm run --silent bench

clean: ## remove what was built (data under .pgstead stays)
	rm -rf dist node_modules
