# make run starts the server; make test proves everything that this machine has the tools for.

GO       ?= go
BIN      := bin/goddard
# Race and fuzz budgets are for two cores; raise them for a longer look.
FUZZTIME ?= 3s

.PHONY: run build test unit race fuzz lint generate compat crash metrics deploy console bench bench-quick bench-peers clean

run: build
	./$(BIN)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/goddard

# Everything, in the order in which a failure is cheapest. Suites that need a
# missing toolchain say so and count as skipped.
test:
	sh internal/test/all.sh

unit:
	$(GO) vet ./...
	$(GO) test ./...

# Short leaves out what runs as processes of their own, which start ten times
# slower with the detector; what they run is tested inside the packages.
race:
	$(GO) test -race -short ./...

fuzz:
	sh internal/test/fuzz.sh $(FUZZTIME)

lint:
	sh internal/test/lint.sh

generate:
	$(GO) generate ./...

# Published clients against Java 5.5.0 and against us, and mixed clusters.
compat: build
	sh internal/test/again.sh compat 35

# kill -9 under load, at least 20 rounds.
crash: build
	$(GO) test -tags crash -count=1 -timeout 15m -v ./internal/test/crash/

# Boards, alerts and scrapes with a real Prometheus.
metrics:
	$(GO) test -tags metrics -count=1 -timeout 5m ./internal/test/metrics/

# What is in deploy/, with the tools that are here; -v says which are missing.
deploy:
	$(GO) test -tags deploy -count=1 -timeout 20m -v ./internal/test/deploy/

# The web console, clicked through in Chromium.
console:
	sh internal/test/again.sh console 20

# Java 5.5.0 and ours in turn, ratios at the end; needs a JDK and Maven, a quiet
# machine, 40 GiB of disk and some four and a half hours. A run that broke off
# goes on with make bench BENCHFLAGS='-resume bench/out/FILE'. See
# docs/performance.md.
bench:
	$(GO) run ./internal/test/ratios -full -results bench/results $(BENCHFLAGS)

# The same in ten minutes: one round of short loads, without the long rows
# and the plot.
bench-quick:
	$(GO) run ./internal/test/ratios -quick $(BENCHFLAGS)

# NATS JetStream and Kafka beside ours, each with its own client.
bench-peers:
	$(GO) run ./internal/test/ratios -peers -results bench/results $(BENCHFLAGS)

clean:
	rm -rf bin
