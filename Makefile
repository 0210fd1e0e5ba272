# Each tool at one version, so that a check says the same everywhere.
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
CYCLONEDX_VERSION     := v1.10.0

GO        ?= go
FUZZTIME  ?= 30s
TESTFLAGS ?=

TOOLS         := $(CURDIR)/.tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK   := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
CYCLONEDX     := $(TOOLS)/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the commands, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$$(scripts/ldflags)" -o bin/ ./cmd/...

.PHONY: dist
dist: $(CYCLONEDX) ## Build the archives of a release for all platforms, with SBOMs and checksums, into dist/
	scripts/dist $(CYCLONEDX)

.PHONY: test
test: ## Run all tests, with the race detector and a PostgreSQL of their own, and the last release beside this
	@GO='$(GO)' test/all $(TESTFLAGS)

.PHONY: faults
faults: ## Crash processes and servers, and see that every guarantee holds
	test/postgres test/faults

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check the code's form
	$(GO) vet ./...
	@unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted"; exit 1; }
	$(GOLANGCI_LINT) run --allow-parallel-runners

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities in what is used
	test/vuln $(GOVULNCHECK)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME=30s
	FUZZTIME=$(FUZZTIME) test/fuzz

.PHONY: bench
bench: ## Measure
	test/bench

.PHONY: demo
demo: ## Show it at work
	examples/demo

.PHONY: lose
lose: build ## Show how readers of an outbox table lose events or wait, and readers of a feed do not
	@test/postgres $(GO) run ./examples/lose

.PHONY: shell
shell: build ## Open a shell with the commands and a PostgreSQL of its own
	@test/postgres examples/shell

.PHONY: clean
clean: ## Remove what was built, the tools included
	rm -rf bin dist .tools

$(GOLANGCI_LINT):
	GOBIN='$(@D)' $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(GOVULNCHECK):
	GOBIN='$(@D)' $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(CYCLONEDX):
	GOBIN='$(@D)' $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
