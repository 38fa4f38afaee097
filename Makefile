# Tickstream. `make help` lists what there is to make.
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX and DESTDIR are respected; V=1 shows the commands; MODE=debug or MODE=asan
# builds otherwise, into a directory of its own.

VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
MODE ?= release
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
Q := $(if $(V),,@)

BUILD := build/$(CC)-$(MODE)
PROGRAM := $(BUILD)/tickstream

PACKAGES := libuv fcgi jansson libxml-2.0 hiredis libssl libcrypto
# Debian's libfcgi has had its .pc file under two names.
PKG_CONFIG ?= pkg-config
FOUND := $(strip $(foreach p,$(PACKAGES),$(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null && echo $(p))))

# Flags that some of our compilers do not know are tried first.
probe = $(shell echo 'int x;' | $(CC) -Werror $(1) -c -x c - -o /dev/null 2>/dev/null && echo '$(1)')

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla $(if $(CI),-Werror)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fPIE \
    $(call probe,-fcf-protection=full) $(call probe,-ftrivial-auto-var-init=zero) \
    $(call probe,-fno-delete-null-pointer-checks) -fno-strict-overflow
OPTIMIZE_release := -O2 -g -D_FORTIFY_SOURCE=2 -DNDEBUG
OPTIMIZE_debug := -O0 -g3
OPTIMIZE_asan := -O1 -g3 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
OPTIMIZE_fuzz := $(OPTIMIZE_asan) -fsanitize=fuzzer-no-link

ALL_CPPFLAGS := -D_GNU_SOURCE -DTICKSTREAM_VERSION='"$(VERSION)"' \
    -Icommon -Ihandler -I$(BUILD) $(if $(FOUND),$(shell $(PKG_CONFIG) --cflags $(FOUND))) $(CPPFLAGS)
ALL_CFLAGS := -std=c17 $(OPTIMIZE_$(MODE)) $(HARDENING) $(WARNINGS) $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(filter -fsanitize=address%,$(OPTIMIZE_$(MODE))) $(LDFLAGS)
LIBS := $(if $(filter fcgi,$(FOUND)),,-lfcgi) \
    $(if $(FOUND),$(shell $(PKG_CONFIG) --libs $(FOUND)))

# All files below a folder with one of the endings: $(call below,common handler,*.c *.h).
below = $(shell find $(1) $(foreach e,$(2),-name '$(e)' -o) -false | LC_ALL=C sort)

COMMON := $(patsubst %.c,$(BUILD)/%.o,$(call below,common,*.c)) $(BUILD)/publish_script.o $(BUILD)/upkeep_script.o \
    $(BUILD)/reap_script.o $(BUILD)/erase_script.o $(BUILD)/quarantine_script.o
HANDLER := $(patsubst %.c,$(BUILD)/%.o,$(filter-out handler/main.c,$(call below,handler,*.c)))

# What objects are compiled with: rewritten only when it has changed, and every object depends on it.
FLAGS_STAMP := $(BUILD)/flags
$(shell mkdir -p $(BUILD); printf '%s\n' '$(subst ','"'"',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS))' > $(FLAGS_STAMP).new; \
    cmp -s $(FLAGS_STAMP).new $(FLAGS_STAMP) || cp $(FLAGS_STAMP).new $(FLAGS_STAMP); rm $(FLAGS_STAMP).new)

.PHONY: all
all: $(PROGRAM) ## Build the program (the default)

# Links and the parts that tests, fuzzers and benchmarks share with the program.

$(PROGRAM): $(BUILD)/handler/main.o $(BUILD)/libhandler.a $(BUILD)/libcommon.a
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libcommon.a: $(COMMON)
$(BUILD)/libhandler.a: $(HANDLER)
$(BUILD)/%.a:
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

.PRECIOUS: $(BUILD)/%.o $(BUILD)/%_script.c

# The Lua scripts as C strings: one literal a line.
$(BUILD)/%_script.c: common/redis/%.lua
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	$(Q){ echo '#pragma GCC diagnostic ignored "-Woverlength-strings"'; echo '#include "redis/scripts.h"'; echo 'const Str $*_script = STR_INIT('; \
	    sed -e '/^--/d' -e 's/\\/\\\\/g; s/"/\\"/g; s/^ *//; s/.*/"&\\n"/' $<; echo ');'; } > $@

$(BUILD)/%_script.o: $(BUILD)/%_script.c $(FLAGS_STAMP)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

-include $(call below,$(BUILD),*.d)

# Running

.PHONY: run demo
run: ## Install what is missing, build, and run Redis, workers and nginx in the foreground
	$(Q)tests/tools/run.sh --check
	$(Q)tests/tools/deps.sh build run
	$(Q)$(MAKE) --no-print-directory all
	$(Q)exec tests/tools/run.sh $(PROGRAM)

demo: all ## In a second terminal: post the sample in three formats, then a short day; show what arrives
	$(Q)tests/tools/demo.sh $(PROGRAM)

# Testing

# T names one unit test (make unit T=arena), K some system tests (make system K=killed). So many system tests run at once,
# as they mostly wait; JOBS=0: one after the other, in one process.
T ?= *
JOBS ?= $(shell expr $$(nproc) + 1)
PYTEST = $(PYTHON) -m pytest -q -n $(JOBS) $(if $(K),-k '$(K)')
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(call below,tests/unit,test_$(T).c))
UNIT_SHARED := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
WRAPPED := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

$(UNIT_TESTS): %: %.o $(UNIT_SHARED) $(BUILD)/libhandler.a $(BUILD)/libcommon.a
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAPPED) -o $@ $^ -lcmocka $(LIBS)

.PHONY: test unit unit-valgrind system cluster-test consumer-test
test: ## Install what is missing and run all tests, also under ASan and valgrind
	$(Q)tests/tools/deps.sh build run test
	$(Q)$(MAKE) --no-print-directory unit unit-valgrind system
	$(Q)$(MAKE) --no-print-directory MODE=asan unit system

unit: $(UNIT_TESTS) $(if $(filter *,$(T)),fuzz-replay) ## Run the unit tests, and what fuzzing once found; T=NAME: one of them
	$(Q)failed=; for t in $(UNIT_TESTS); do $$t || failed="$$failed $$t"; done; \
	    [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

unit-valgrind: $(UNIT_TESTS) ## Run the unit tests under valgrind
	$(Q)for t in $(UNIT_TESTS); do valgrind -q --error-exitcode=99 --leak-check=full $$t > $$t.valgrind.log 2>&1 || \
	    { cat $$t.valgrind.log; exit 1; }; echo "valgrind: $$(basename $$t) ok"; done

system: all ## Run the system tests: real nginx, real Redis; K=WORDS: those whose names match
	$(Q)TICKSTREAM_BUILD=$(BUILD) $(PYTEST) -m 'not cluster and not consumers' tests/system

cluster-test: all ## Run the tests with real clusters and sentinels of Redis; K=WORDS: those whose names match
	$(Q)TICKSTREAM_BUILD=$(BUILD) $(PYTEST) -m 'cluster and not consumers' tests/system

consumer-test: ## Run the consumers of tests/consumers through all that may happen to them; ENTRIES=100000: in length
	$(Q)tests/tools/deps.sh run consumers
	$(Q)$(if $(ENTRIES),ENTRIES=$(ENTRIES)) $(PYTEST) -m consumers tests/system/test_consumers.py

system-valgrind: all ## Run the core of the system tests with the program under valgrind
	$(Q)TICKSTREAM_WRAP="valgrind -q --error-exitcode=99 --trace-children=yes --leak-check=full" \
	    TICKSTREAM_BUILD=$(BUILD) $(PYTEST) -m 'not cluster and not consumers' tests/system

.PHONY: system-valgrind chaos chaos-cluster month compose-test
chaos: all ## Kill, stop and starve everything under load for CHAOS_SECONDS, and compare the ledger
	$(Q)TICKSTREAM_BUILD=$(BUILD) $(PYTHON) tests/system/chaos.py

chaos-cluster: all ## The same with the nodes of a Redis Cluster: kill, stop, fail over, move slots
	$(Q)TICKSTREAM_BUILD=$(BUILD) $(PYTHON) tests/system/cluster_chaos.py

month: all ## Live through a month at equal bytes: memory, disk, refusals, with groups that read and one that does not
	$(Q)TICKSTREAM_BUILD=$(BUILD) $(PYTHON) tests/system/month.py

compose-test: ## Bring the containers up, scale and kill them under load, and compare; needs root
	$(Q)tests/tools/deps.sh compose
	$(Q)tests/compose/run.sh

# Fuzzing

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_TARGETS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/fuzz_%)
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/replay_%)
FUZZ_SHARED := $(BUILD)/tests/fuzz/fuzz.o $(BUILD)/tests/unit/json_oracle.o $(BUILD)/libhandler.a $(BUILD)/libcommon.a
FUZZ_SECONDS ?= 60

$(BUILD)/tests/%.o: ALL_CPPFLAGS += -Itests/unit

$(FUZZ_TARGETS): %: %.o $(FUZZ_SHARED)
	@echo "  LD    $@"
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(FUZZ_REPLAYS): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(FUZZ_SHARED)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: fuzz fuzz-run fuzz-replay
fuzz: ## Fuzz each target for FUZZ_SECONDS (60) with clang's libFuzzer
	$(Q)tests/tools/deps.sh build fuzz
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=fuzz fuzz-run

fuzz-run: $(FUZZ_TARGETS)
	$(Q)tests/fuzz/run.sh $(BUILD) $(FUZZ_SECONDS)

# With any compiler: what once was found, and the sample bodies.
fuzz-replay: $(FUZZ_REPLAYS)
	$(Q)for name in $(FUZZ_NAMES); do \
	    $(BUILD)/tests/fuzz/replay_$$name tests/fuzz/regressions/$$name tests/data/$$name || exit 1; done

# Measuring

$(BUILD)/bench-scan: $(BUILD)/tests/bench/bench_scan.o $(BUILD)/tests/bench/bench_jansson.o $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/bench-decode: $(BUILD)/tests/bench/bench_decode.o $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/bench-redis: $(BUILD)/tests/bench/bench_redis.o $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: bench bench-redis bench-cluster bench-readme bench-deps callgrind
bench: all $(BUILD)/bench-scan $(BUILD)/bench-redis ## Compare with nginx + Lua, PHP-FPM, blocking threads and Redis itself
	$(Q)$(PYTHON) tests/bench/bench.py --build $(BUILD) $(BENCH_FLAGS)

bench-redis: $(BUILD)/bench-redis ## Count what a status costs Redis: instructions, bytes of the AOF and of memory
	$(Q)$(PYTHON) tests/bench/redis_cost.py --build $(BUILD) $(BENCH_FLAGS)

bench-cluster: all ## Measure partitions, a cluster, and replicas near and far, against one server
	$(Q)$(PYTHON) tests/bench/cluster_bench.py --build $(BUILD) $(BENCH_FLAGS)

bench-readme: ## Take the results of the last `make bench` into tests/bench and the README
	$(Q)$(PYTHON) tests/bench/report.py build/bench README.md

bench-deps: ## Install what the comparison needs
	$(Q)tests/tools/deps.sh build run bench

callgrind: $(BUILD)/bench-decode ## Count the instructions of decoding and encoding, compare with the record
	$(Q)$(PYTHON) tests/bench/instructions.py --build $(BUILD) $(CALLGRIND_FLAGS)

# Reading

SOURCES := $(call below,common handler,*.c *.h)

.PHONY: lint format
lint: ## Check format, includes, and what clang-tidy and cppcheck find
	$(Q)tests/tools/deps.sh build lint
	$(Q)[ $(words $(SOURCES)) -ge 50 ] || { echo "lint: only $(words $(SOURCES)) sources were found" >&2; exit 1; }
	$(Q)clang-format --dry-run --Werror $(SOURCES)
	$(Q)tests/tools/check-includes.sh
	$(Q)cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --quiet \
	    --suppress=normalCheckLevelMaxBranches \
	    --error-exitcode=1 -D_GNU_SOURCE -Icommon -Ihandler common handler
	$(Q)printf '%s\n' $(filter %.c,$(SOURCES)) | xargs -P 2 -n 4 sh -c \
	    'clang-tidy --quiet "$$@" -- -std=c17 $(filter-out -DTICKSTREAM_VERSION=%,$(ALL_CPPFLAGS)) 2>/dev/null || exit 255' sh
	@echo "lint: clean"

format: ## Format the sources
	$(Q)clang-format -i $(SOURCES)

# Installing

UNIT_DIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc

.PHONY: install clean help
install: all ## Install the program, the systemd units and the nginx files under PREFIX and DESTDIR
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/tickstream
	install -d $(DESTDIR)$(UNIT_DIR) $(DESTDIR)$(PREFIX)/share/tickstream/nginx
	sed 's|/usr/local/|$(PREFIX)/|g; s|/etc/tickstream|$(SYSCONFDIR)/tickstream|g' handler/package/tickstream.service \
	    > $(DESTDIR)$(UNIT_DIR)/tickstream.service
	install -m 644 handler/package/tickstream.socket $(DESTDIR)$(UNIT_DIR)/tickstream.socket
	install -m 644 nginx/*.conf $(DESTDIR)$(PREFIX)/share/tickstream/nginx
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/tickstream/README.md
	install -d $(DESTDIR)$(SYSCONFDIR)/tickstream
	test -e $(DESTDIR)$(SYSCONFDIR)/tickstream/tickstream.conf || sed 's|/etc/tickstream|$(SYSCONFDIR)/tickstream|g' \
	    handler/package/tickstream.conf > $(DESTDIR)$(SYSCONFDIR)/tickstream/tickstream.conf

clean: ## Remove everything that was built; the data of `make run` stays
	$(Q)find build -mindepth 1 -maxdepth 1 ! -name run -exec rm -rf {} + 2>/dev/null || true

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
