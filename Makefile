GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME    ?= 10s
SCRIPTS     := lab/lab lab/system.sh lab/wine lab/seed-demo .ci/run

.DEFAULT_GOAL := build
.PHONY: help build demo demo-capture test cross wine lint fuzz corpora bench bench-sweep bench-forest lab lab-down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

build: ## bin/gmsactl
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/gmsactl ./cmd/gmsactl

demo: build ## audit and plan against the capture inside gmsactl; no directory needed
	@set -e; for command in audit plan; do \
		echo "\$$ gmsactl $$command --from demo 'provAgentgMSA\$$'"; \
		status=0; bin/gmsactl $$command --from demo 'provAgentgMSA$$' || status=$$?; \
		case $$status in 0) ;; 3) echo "(exit status 3: there is something to find)" ;; *) exit $$status ;; esac; \
	done

demo-capture: build ## capture the forest of --from demo anew, from a lab that was down
	@! lab/lab status >/dev/null 2>&1 || { echo "demo-capture: the lab is up and holds other things: make lab-down first"; exit 1; }
	@set -e; trap 'rm -f internal/demo/demo.ldif; lab/lab down' EXIT; \
	lab/lab up >/dev/null; lab/seed-demo; environment=$$(lab/lab env); eval "$$environment"; \
	bin/gmsactl collect --out internal/demo/demo.ldif --dc "$$GMSACTL_LAB_DC" --user "$$GMSACTL_LAB_USER" --password-file "$$GMSACTL_LAB_PASSWORD_FILE"; \
	gzip -9nc internal/demo/demo.ldif > internal/demo/demo.ldif.gz

# With domain controllers, one package at a time (-p 1): what one grants at the head of the domain, another one's objects inherit.
# GMSACTL_LAB: required fails without domain controllers, off tests without them; unset, they run where they can.
test: ## go test, with -race where there is a C compiler, against the lab's domain controllers where they can run
	@set -e; serial=; \
	if [ "$$GMSACTL_LAB" = off ]; then \
		echo "test: without domain controllers (GMSACTL_LAB=off)"; \
	elif [ "$$GMSACTL_LAB" = required ] || lab/lab can; then \
		lab/lab up >/dev/null; environment=$$(lab/lab env); eval "$$environment"; \
		serial='-p 1'; \
		echo "test: with $$GMSACTL_LAB_DC and $$GMSACTL_LAB_OLD_DC"; \
	else \
		echo "test: without domain controllers, for the reason above; what needs them is skipped"; \
	fi; \
	race=-race; printf 'int main(void){return 0;}' | $$($(GO) env CC) -x c -o /dev/null - 2>/dev/null || \
		{ race=; echo "test: without the race detector, which needs a C compiler"; }; \
	set -x; $(GO) test $$race $$serial -count=1 -timeout 40m ./...

lint: ## gofmt, go vet, staticcheck, govulncheck, shellcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "lint: gofmt -w $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@# Without a network nothing can be said about vulnerabilities; that is no finding, but it is said.
	@echo '$(GO) run $(GOVULNCHECK) ./...'; \
	if out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); then echo "$$out"; \
	elif echo "$$out" | grep -Eq 'fetching vulnerabilities: |: dial tcp|no such host'; then \
		echo "lint: NOT CHECKED for known vulnerabilities: govulncheck can't reach its database"; \
		echo "$$out" | tail -n 2 | sed 's/^/lint:   /'; \
		echo "lint: a copy of the database can be named: GOVULNDB=file:///path make lint"; \
	else echo "$$out"; exit 1; fi
	@if command -v shellcheck >/dev/null; then echo shellcheck -x $(SCRIPTS); shellcheck -x $(SCRIPTS); \
	else echo "lint: NOT CHECKED: shellcheck is not installed"; fi

PLATFORMS := linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

cross: ## build and vet for the other systems, and staticcheck for Windows
	@set -e; for platform in $(PLATFORMS); do \
		echo "cross: $$platform"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0; \
		$(GO) build -o /dev/null ./cmd/gmsactl; $(GO) vet ./...; \
	done
	GOBIN=$(CURDIR)/bin $(GO) install $(STATICCHECK) && GOOS=windows bin/staticcheck ./...

# Without domain controllers under Wine, and then from here: what the lab is asked for on its DCs cannot be run from there.
# Wine 10 has not what Go asks of a UDP socket (SIO_UDP_NETRESET), so that nothing can be found there by DNS or pings.
wine: ## every test as a Windows build under Wine, and the current logon against the lab (root on Linux)
	lab/wine build
	env -u GMSACTL_LAB_DC GMSACTL_LAB=off GMSACTL_CASES=1000 GOOS=windows GOARCH=amd64 CGO_ENABLED=0 \
		$(GO) test -count=1 -exec '$(CURDIR)/lab/wine run' $$($(GO) list ./cmd/... ./internal/... ./policies ./lab/... | grep -v /internal/locate)
	@set -e; lab/lab up >/dev/null; environment=$$(lab/lab env); eval "$$environment"; set -x; \
	GMSACTL_LAB_WINE='$(CURDIR)/lab/wine' $(GO) test -count=1 -run Wine ./cmd/gmsactl

fuzz: ## every fuzz test in turn, FUZZTIME=10s each
	@set -e; for package in $$($(GO) list ./...); do \
		targets=$$($(GO) test -list '^Fuzz' $$package) || { echo "$$targets"; exit 1; }; \
		for target in $$(echo "$$targets" | grep '^Fuzz' || :); do \
			echo "fuzz: $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

CORPORA := internal/sddl/testdata/corpus

corpora: ## keep what fuzz found to reach new code in internal/sddl, as its tests' seeds
	@set -e; for file in $(CORPORA)/*.txt; do \
		found=$$($(GO) env GOCACHE)/fuzz/$$($(GO) list ./internal/sddl)/$$(basename $$file .txt); \
		{ cat $$file; cat /dev/null $$found/* 2>/dev/null | sed -nE 's/^(string|\[\]byte)\((".*")\)$$/\2/p'; } | \
			awk 'length($$0) < 4096 { print length($$0), $$0 }' | LC_ALL=C sort -u | LC_ALL=C sort -n | cut -d ' ' -f 2- > $$file.new; \
		mv $$file.new $$file; wc -l $$file; \
	done

bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-sweep: ## a sweep over 20,000 objects of the lab, over one connection and two, next to ldapsearch reading the same; needs ldap-utils and libsasl2-modules-gssapi-mit
	@set -e; lab/lab up >/dev/null; environment=$$(lab/lab env); eval "$$environment"; set -x; \
	GMSACTL_BENCH_SWEEP=20000 $(GO) test -run '^$$' -bench LabSweep -benchtime 7x -timeout 30m ./internal/ldapx

FOREST ?= forest.ldif

bench-forest: build ## audit --reach --excess of a capture of 1,000,000 objects, made first: 4.2 GB
	@set -ex; [ -e $(FOREST) ] || $(GO) run ./lab/forest -out $(FOREST); status=0; \
	/usr/bin/time -v bin/gmsactl audit 'provAgentgMSA$$' --from $(FOREST) --reach --excess >/dev/null || status=$$?; [ $$status = 3 ]

lab: ## two Active Directory forests on loopback (root on Linux)
	@lab/lab up

lab-down: ## stop them and remove their state
	@lab/lab down

clean: ## remove what was built; the lab stays
	rm -rf bin dist
