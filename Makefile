# Holloway: what people run. `make demo` shows it, `make test` proves it, `make check` is for before a commit.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=

# Options of `make bench`, `make bench-relay` and `make bench-scale`.
BENCH ?=

# How much larger the long proofs are than the same tests in `make test`.
HOLLOWAY_PROVE_SCALE ?= 50
# What proptest tries for each property by default is 256.
PROVE_CASES = $(shell expr 256 \* $(HOLLOWAY_PROVE_SCALE))

# The one folder that cargo builds into, wherever that is set.
TARGET = $(or $(CARGO_TARGET_DIR),target)

# Programs and the Debian packages that bring them.
NEEDED_TO_BUILD := cc:build-essential
NEEDED_BY_LABS := ip:iproute2 nft:nftables ping:iputils-ping curl:curl
NEEDED_BY_PAGES := node:nodejs npm:npm
NEEDED_BY_TESTS := $(NEEDED_BY_LABS) $(NEEDED_BY_PAGES) dig:dnsutils ps:procps miniupnpd:miniupnpd-nftables chromium:chromium pg_ctlcluster:postgresql
NEEDED_BY_BENCH_RELAY := ip:iproute2 nft:nftables turnserver:coturn
NEEDED_BY_BENCH := ip:iproute2 ping:iputils-ping iperf3:iperf3 python3:python3

NEEDED_BY_GUI := pkg-config:pkg-config mksquashfs:squashfs-tools patchelf:patchelf
# Libraries have no program that says whether they are there.
GUI_LIBRARIES := webkit2gtk-4.1:libwebkit2gtk-4.1-dev librsvg-2.0:librsvg2-dev ayatana-appindicator3-0.1:libayatana-appindicator3-dev
NEEDED_BY_GUI_TESTS := $(NEEDED_BY_LABS) Xvfb:xvfb WebKitWebDriver:webkit2gtk-driver dbus-run-session:dbus-daemon dbus-monitor:dbus-bin xdg-open:xdg-utils

PURE := -p holloway-wire -p holloway-mesh -p holloway-relay

.PHONY: build web gui gui-test demo test check prove bench bench-relay bench-scale fmt install

build: web
	$(CARGO) build --release

# The pages for browsers, which are part of every program that is built after it.
web:
	tools/need $(NEEDED_BY_PAGES)
	tools/web

# The desktop application as packages, in $(TARGET)/gui.
gui:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_PAGES) $(NEEDED_BY_GUI)
	tools/need --libraries $(GUI_LIBRARIES)
	tools/web
	tools/gui

# The desktop application in a lab of two machines, as somebody new would use it. PICTURES names a folder that keeps a
# picture of each step.
gui-test:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_PAGES) $(NEEDED_BY_GUI) $(NEEDED_BY_GUI_TESTS)
	tools/need --libraries $(GUI_LIBRARIES)
	tools/web
	$(CARGO) build --release
	tools/gui test $(TARGET)/release/holloway $(PICTURES)

# A whole small network on this machine. An ordinary user's demo lives in a user namespace where the system allows it.
demo:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_LABS) $(NEEDED_BY_PAGES)
	tools/web
	$(CARGO) build --release
	if [[ $$EUID -eq 0 || -w /dev/net/tun ]]; then $(TARGET)/release/holloway demo; else sudo $(TARGET)/release/holloway demo; fi

test:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_TESTS)
	tools/web test
	tools/test

check:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path gui/Cargo.toml --check
	$(CARGO) clippy --release --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --release --manifest-path fuzz/Cargo.toml --target-dir $(TARGET) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --all-features --no-deps --document-private-items
	$(CARGO) test --release -p holloway-wire --test layers
	tools/check-dependencies

# The same tests as `make test`, made large: hours instead of minutes.
prove:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_TESTS)
	tools/web
	HOLLOWAY_PROVE=1 HOLLOWAY_PROVE_SCALE=$(HOLLOWAY_PROVE_SCALE) PROPTEST_CASES=$(PROVE_CASES) tools/test prove
	$(MAKE) gui-test

# What the pure crates cost, then the whole program beside the cable and other tunnels; see BENCHMARKS.md.
# BENCH="--quick" and the like are passed on to tools/bench.
bench:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_BENCH)
	$(CARGO) bench --profile dist $(PURE) --benches
	$(CARGO) build --profile dist
	if [[ $$EUID -eq 0 ]]; then as=; else as=sudo; fi; \
	$$as python3 -B tools/bench --holloway $(TARGET)/dist/holloway --peers $(TARGET)/peers --out $(TARGET)/bench $(BENCH)

# How many members and packets a relay bears, beside coturn. BENCH=members, BENCH="forwarding --rounds 5" and the like
# are passed on to node/benches/relay.
bench-relay:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_BENCH_RELAY)
	if [[ $$EUID -eq 0 ]]; then as=(); else as=(--config "target.'cfg(unix)'.runner = 'sudo'"); fi; \
	$(CARGO) "$${as[@]}" bench --profile dist -p holloway-node --bench relay -- $(BENCH)

# How the control plane's cost grows from 1,000 to 100,000 nodes, in virtual time. BENCH="--quick", BENCH="--seed 2" and
# the like are passed on to simnet/benches/scale.
bench-scale:
	tools/need $(NEEDED_TO_BUILD)
	mkdir -p $(TARGET)/bench
	$(CARGO) bench --profile release -p holloway-simnet --features scale --bench scale -- \
		--svg $(abspath $(TARGET))/bench/scale.svg $(BENCH)

fmt:
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml
	$(CARGO) fmt --manifest-path gui/Cargo.toml

install:
	tools/need $(NEEDED_TO_BUILD) $(NEEDED_BY_PAGES)
	tools/web
	$(CARGO) build --profile dist
	if [[ -w $(DESTDIR)$(PREFIX) || -n "$(DESTDIR)" ]]; then as=; else as=sudo; fi; \
	$$as install -D -m 0755 $(TARGET)/dist/holloway $(DESTDIR)$(PREFIX)/bin/holloway
