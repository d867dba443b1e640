# Thin: every target is one command that can be typed by hand. `make help` lists them.

BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test screens test-compose faults check bench backup restore reset token code doctor parts sbom lock venv

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: venv ## Everything on this machine, with the manual's example, until Ctrl-C; ONCE=1 ends after the example
	@$(BIN)/python -m devstack run $(if $(filter 1,$(ONCE)),--once)

test: venv ## The whole suite on PostgreSQL and Kafka of its own; ARGS="tests/chassis -k lease" for a part of it
ifeq ($(ARGS),)
	@$(BIN)/python -m devstack test -- --numprocesses 2 --ignore tests/faults --ignore tests/browser --ignore tests/compose
	@$(BIN)/python -m devstack test -- tests/browser # a process of its own: a browser that is slow must not slow the others
	@$(BIN)/python -m devstack test -- tests/faults -m 'not long' # alone: what is frozen or killed there must not meet a busy machine
else
	@$(BIN)/python -m devstack test -- --numprocesses 2 $(ARGS)
endif

screens: venv ## Every page of the portal in Chromium, looked at and kept as small pictures in docs/screens
	@GATEHOUSE_SCREENS=1 $(BIN)/python -m devstack test -- tests/browser/test_every_page.py tests/browser/test_turnstile.py

test-compose: venv ## docker-compose.yml for real: the manual's example, somebody called, each container restarted under load
	@$(BIN)/python -m pytest tests/compose --capture no -o faulthandler_timeout=1800 $(ARGS)

# Twenty minutes until a test is said to hang: printing all stacks of one that takes longer than five once ended Python, on a busy machine, by a segmentation fault.
faults: venv ## Every fault on the whole system, with the long ones; ARGS="-k clocks" for a part of it, SEED=… ROUNDS=… for the combined ones, RELEASE=1: all of it, or it fails
	@$(if $(SEED),GATEHOUSE_FAULTS_SEED=$(SEED)) $(if $(ROUNDS),GATEHOUSE_FAULTS_ROUNDS=$(ROUNDS)) $(BIN)/python -m devstack test -- tests/faults -o faulthandler_timeout=1200 $(if $(RELEASE),--nothing-skipped) $(ARGS)

check: venv ## Lint, format, types, imports, generated files, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m deploy.dashboards --check
	$(if $(wildcard tests/house),$(BIN)/python -m pytest --quiet tests/house)

bench: venv ## What it reaches, beside its reference in the same run
	@$(BIN)/python -m bench $(ARGS)

backup: venv ## Base backups of the local stack's two PostgreSQL servers, while it runs; from then on their WAL is archived
	@$(BIN)/python -m devstack backup

restore: venv ## While it is down: SERVER=main (or keys) begins at its backup, UNTIL=2020-02-20T08:30:00+08:00 or at the last that is archived
	@$(BIN)/python -m devstack restore --server '$(or $(SERVER),main)' $(if $(UNTIL),--until '$(UNTIL)')

reset: venv ## Throw the local data away
	@$(BIN)/python -m devstack reset

token: venv ## A token of the running stack: ROLE=site_operator CONTRACT=W2019010100011 (or STATION=…, DISTRICT=…)
	@$(BIN)/python -m devstack token --role '$(ROLE)' $(if $(CONTRACT),--contract '$(CONTRACT)') $(if $(STATION),--station '$(STATION)') $(if $(DISTRICT),--district '$(DISTRICT)') $(if $(EMPLOYER),--employer '$(EMPLOYER)')

code: venv ## The one-time password of a supervisor's demo account: ACCOUNT=station (or district, city, ops)
	@$(BIN)/python -m devstack code '$(ACCOUNT)'

doctor: venv ## What this machine has and lacks
	@$(BIN)/python -m devstack doctor

parts: venv ## PostgreSQL and Kafka alone, until Ctrl-C
	@$(BIN)/python -m devstack parts

sbom: venv ## What the image of each service holds, as CycloneDX, in dist/sbom; VERSION=… is the images' tag
	@$(BIN)/python -m deploy.sbom dist/sbom $(if $(VERSION),--version '$(VERSION)')

lock: ## Resolve requirements.in anew into requirements.lock (needs uv)
	uv pip compile --quiet --generate-hashes --python-version 3.11 --custom-compile-command 'make lock' requirements.in --output-file requirements.lock

venv: ## .venv as requirements.lock says; the other targets see to it
	@devstack/setup
