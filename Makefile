# Short names for plain Go commands. Everything that they need comes with Go itself: modules are pinned in go.mod,
# the linter in tools/go.mod.

LINT  := go tool -modfile=tools/go.mod golangci-lint
FUZZ  ?= 20s
# The race detector needs a C compiler; without one the tests run without it.
RACE  := $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

.PHONY: demo test build generate lint fmt fuzz bench

# Exit codes 2 (something could not be read) and 3 (a gate failed) are answers too. `go run` would hide them.
demo: build ## assess the example estate
	bin/demarc assess examples/northwind || case $$? in 2|3) ;; *) exit 1;; esac

test: ## all checks of the ordinary run; PostgreSQL is installed for it if it is missing and may be
	@tools/postgres </dev/null >/dev/null || echo "*** NO POSTGRESQL HERE: the tests that need it are SKIPPED"
	go vet ./...
	go test $(RACE) -timeout 20m ./...

build: ## bin/demarc
	CGO_ENABLED=0 go build -trimpath -o bin/demarc ./cmd/demarc

generate: ## what is generated from the catalog
	go generate ./...

lint: ## the first run builds the linter, which takes minutes
	$(LINT) run ./...

fmt: ## gofumpt and goimports
	$(LINT) fmt ./...

fuzz: ## each fuzz target for FUZZ=20s
	@set -e; for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) $$p; \
	  done; \
	done

bench: ## every benchmark on one processor
	go test -run '^$$' -bench . -benchmem -cpu 1 ./...
