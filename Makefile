# The commands of the project. `make` alone lists them.

# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# What tests take from PyPI: a mail server.
VENV := $(TARGET)/venv

# What tests take from npm: what finds faults of accessibility.
AXE := $(TARGET)/axe

# What the server is measured beside, from npm and PyPI.
PEERS := $(abspath $(TARGET))/peers

# How large the program may be, in bytes: 25 MB.
LARGEST := 25000000

.DEFAULT_GOAL := help
.PHONY: help run release test torture upgrade-test deploy-test lint bench fuzz openapi need-build

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 21

run: need-build ## Build and start a server to try out, on 127.0.0.1:8080
	@echo "Building in release; the first time takes some minutes."
	cargo build --release
	@# The program itself, not `cargo run`: it gets the signals that end it.
	@exec "$(TARGET)/release/bonafide" serve --dev

release: need-build ## Build the program as it is installed, and see that it is not too large
	cargo build --release --locked
	@size=$$(wc -c <"$(TARGET)/release/bonafide"); \
		echo "$(TARGET)/release/bonafide has $$size bytes; $(LARGEST) are the most"; \
		[ "$$size" -le $(LARGEST) ] || { \
			echo "The program is too large by $$((size - $(LARGEST))) bytes: look at what was added last (cargo tree, cargo bloat)." >&2; \
			exit 1; }

# strace counts what is synced to the disk; curl is the client that people paste into; the browser
# walks over the pages. The tests start a PostgreSQL server of their own, and never use one that runs.
test: need-build $(VENV)/made $(AXE)/made ## Run all tests
	@scripts/need strace strace
	@scripts/need curl curl
	@scripts/need chromium chromium
	@scripts/need chromedriver chromium-driver
	@scripts/need '/usr/lib/postgresql/*/bin/postgres' postgresql
	cargo test

# What `make test` has a short form of: ten seconds a fault, five times each.
torture: need-build ## Break the store, the network and servers under load, and look for what was answered
	@scripts/need strace strace
	@scripts/need '/usr/lib/postgresql/*/bin/postgres' postgresql
	TORTURE=long cargo test --test integration -- process::torture process::kill process::postgres \
		process::disk process::power_loss

# The older program must be of a build that can be replaced while it runs: docs/SCALING.md says which.
upgrade-test: need-build ## Replace an older program by this one, under load (OLD=PROGRAM)
	@[ -x "$(OLD)" ] || { \
		echo "Say which program is the older one: make upgrade-test OLD=PROGRAM" >&2; exit 1; }
	@scripts/need '/usr/lib/postgresql/*/bin/postgres' postgresql
	OLD="$(abspath $(OLD))" cargo test --test integration -- --ignored --nocapture --test-threads 1 process::upgrade

# It needs root, Docker and Debian's packages, which the scripts say; no other target does.
deploy-test: release ## Try the image, the Compose file, the systemd unit and the site for nginx for real
	scripts/deploy-containers
	scripts/deploy-machine

lint: need-build ## Check format, clippy, fuzz targets, rustdoc and docs/openapi.json
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@# The fuzz targets are a workspace of their own, which nothing else compiles.
	CARGO_TARGET_DIR="$(TARGET)" cargo check --manifest-path fuzz/Cargo.toml --locked
	@# Private items too: the comments are for those who change the code.
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	cargo build
	@"$(TARGET)/debug/bonafide" openapi | diff -u docs/openapi.json - \
		|| { echo "docs/openapi.json is not what the code says: run 'make openapi' and commit it." >&2; exit 1; }

bench: need-build $(PEERS)/made ## Measure a release build beside this machine's limits (BENCH=--quick for a short look)
	@scripts/need wrk wrk
	@scripts/postgres-folder >/dev/null
	cargo bench --bench load -- --peers "$(PEERS)" $(BENCH)

# Without a sanitizer: there is no unsafe code, and the compiler of the project will do.
fuzz: need-build ## Look for inputs that break what holds of all (SECONDS=60 for each target)
	@cargo fuzz --version >/dev/null 2>&1 || { \
		echo "cargo-fuzz is needed: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@set -e; for target in $$(cargo fuzz list); do \
		mkdir -p "fuzz/corpus/$$target"; \
		cargo fuzz run --sanitizer none "$$target" "fuzz/corpus/$$target" "fuzz/seeds/$$target" \
			-- -max_total_time=$(or $(SECONDS),60) -timeout=10; \
	done

openapi: need-build ## Write docs/openapi.json anew
	cargo build
	@# By a second file: a failure must not leave half a document.
	"$(TARGET)/debug/bonafide" openapi >docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json

$(VENV)/made: tests/smtp/requirements.txt
	@scripts/need python3 python3-venv
	python3 -m venv --clear "$(VENV)"
	"$(VENV)/bin/pip" install --quiet --disable-pip-version-check -r tests/smtp/requirements.txt
	@touch "$@"

$(AXE)/made: tests/axe/package.json tests/axe/package-lock.json
	@scripts/need npm npm
	mkdir -p "$(AXE)"
	cp tests/axe/package.json tests/axe/package-lock.json "$(AXE)"
	npm ci --prefix "$(AXE)" --ignore-scripts --no-audit --no-fund --silent
	@touch "$@"

$(PEERS)/made: $(wildcard benches/peers/*/*.*)
	@scripts/need npm npm
	@scripts/need python3 python3-venv
	rm -rf "$(PEERS)" && mkdir -p "$(PEERS)"
	cp -r benches/peers/better-auth "$(PEERS)/better-auth"
	cp -r benches/peers/allauth "$(PEERS)/django-allauth"
	cd "$(PEERS)/better-auth" && npm install --no-audit --no-fund --no-update-notifier --silent
	python3 -m venv "$(PEERS)/django-allauth/venv"
	"$(PEERS)/django-allauth/venv/bin/pip" install --quiet --disable-pip-version-check \
		-r benches/peers/allauth/requirements.txt
	@touch "$@"

# SQLite and the TLS code are C: they need a compiler.
need-build:
	@command -v cargo >/dev/null || { \
		echo "Rust is needed: install rustup from https://rustup.rs, it picks the version of rust-toolchain.toml." >&2; \
		exit 1; }
	@scripts/need cc build-essential
