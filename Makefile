# SPDX-License-Identifier: BSD-2-Clause
# `make` builds ./sgmmcp. `make help` lists the rest.

VERSION := $(shell sed -n 's/^\#define SGMMCP_VERSION *"\(.*\)"/\1/p' options.h)
PREFIX  ?= /usr/local
CC      ?= cc
CFLAGS  ?= -O2 -g
# Another build tree for another compiler or sanitizer: make BUILD=build/asan SANITIZE=address
BUILD   ?= build/release
SANITIZE ?=
BIN     ?= sgmmcp
# make Q= shows the commands.
Q       := @

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wvla -Wundef -Werror
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE -pthread $(WARN) $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer) $(EXTRA_CFLAGS)
ALL_LDFLAGS := -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(EXTRA_CFLAGS) $(LDFLAGS)
LIBS := -lsgutils2 -lpopt -laio -lcrypto -lxxhash

LIB_SRCS := $(wildcard core/*.c scsi/*.c endpoints/*.c engine/*.c) \
	$(filter-out sgmmcp.c,$(wildcard *.c))
LIB_OBJS := $(LIB_SRCS:%.c=$(BUILD)/%.o)
LIB      := $(BUILD)/libsgmmcp.a
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_LIB := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c))
MEMORY   := $(BUILD)/tests/memory
# Those in which threads meet: of the others TSan has nothing to say.
THREADED := test_aio test_copy test_feed test_keep test_mapped test_pipe test_property test_rescue \
	test_saver test_scripted_sg test_stalls
HELPERS  := $(patsubst tests/guest/%.c,$(BUILD)/tests/%,$(wildcard tests/guest/*.c))

.PHONY: all check check-unit check-guest check-sanitize check-cli check-fuzz coverage demo bench \
	bench-memory install uninstall lint format dist clean help deps-build test-programs guest-helpers
.DELETE_ON_ERROR:
.SECONDARY:

all: deps-build $(BIN)

help:
	@echo 'all            build ./sgmmcp'
	@echo 'demo           two disks in a user-mode-linux guest, one copied to the other'
	@echo 'check          everything below'
	@echo 'check-unit     unit, CLI and fuzz-corpus tests; seconds, no root'
	@echo 'check-sanitize the unit tests again under ASan+UBSan and TSan'
	@echo 'check-guest    system tests on the real driver, in user-mode-linux and qemu'
	@echo 'lint           warnings of gcc and clang, clang-tidy, cppcheck, shellcheck, mandoc, layers'
	@echo 'coverage       line coverage of unit and system tests'
	@echo 'bench          side by side with the peers, in qemu; tests/bench/'
	@echo 'bench-memory   GB/s of generated data, hashes and the search for zeros, on this CPU'
	@echo 'install        PREFIX=$(PREFIX), DESTDIR; uninstall; format; dist; clean'

# --- build ---

define need
	@printf '#include <%s>\n' $(1) | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 || \
		{ echo 'sgmmcp: $(1) is missing: apt-get install $(2)' >&2; exit 1; }
endef

deps-build:
	$(call need,scsi/sg_lib.h,libsgutils2-dev)
	$(call need,popt.h,libpopt-dev)
	$(call need,libaio.h,libaio-dev)
	$(call need,openssl/evp.h,libssl-dev)
	$(call need,xxhash.h,libxxhash-dev)

$(BIN): $(BUILD)/sgmmcp.o $(LIB)
	@echo LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(LIB_OBJS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo CC $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Objects are made anew when the flags they were made with differ.
$(LIB_OBJS) $(BUILD)/sgmmcp.o: $(BUILD)/flags
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS) $(ALL_CFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS) $(ALL_CFLAGS)' > $@
FORCE:

-include $(LIB_OBJS:.o=.d) $(BUILD)/sgmmcp.d $(UNIT:$(BUILD)/tests/%=$(BUILD)/tests/unit/%.d) \
	$(FUZZ:$(BUILD)/tests/%=$(BUILD)/tests/fuzz/%.d) $(BUILD)/tests/fuzz/replay.d \
	$(TEST_LIB:.o=.d) $(BUILD)/tests/bench/memory.d

# --- tests ---

# Functions of the C library that a test has its own of: the scripted driver, and failures.
WRAP_scripted_sg := open ioctl mmap read write clock_nanosleep
WRAP_copy        := clock_gettime clock_nanosleep pthread_create
WRAP_aio         := io_getevents ioctl open pwrite
WRAP_file        := fsync ioctl open
WRAP_ranges      := malloc realloc
WRAP_differences := malloc
WRAP_keep        := write fsync flock
WRAP_replace     := open openat fstatat fchown fchmod read write fsync close linkat renameat unlinkat

# Of an archive a test takes only what it uses.
$(BUILD)/libtests.a: $(TEST_LIB)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $(BUILD)/libtests.a $(LIB)
	@echo LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAP_$*:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/tests/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(LIB)
	@echo LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(MEMORY): $(BUILD)/tests/bench/memory.o $(LIB)
	@echo LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Without shared libraries they start faster in a guest.
$(HELPERS): $(BUILD)/tests/%: $(BUILD)/tests/guest/%.o
	@echo LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -static -o $@ $^

test-programs: $(UNIT) $(FUZZ) $(MEMORY) $(BIN)

guest-helpers: $(HELPERS)

check:
	tests/check.sh lint check-unit check-sanitize check-guest

check-unit:
	tests/deps.sh unit
	$(MAKE) test-programs
	tests/unit.sh $(BUILD) $(BIN)

check-sanitize:
	tests/deps.sh unit
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined \
		EXTRA_CFLAGS='-fno-sanitize-recover=all' BIN=build/asan/sgmmcp test-programs
	tests/unit.sh build/asan build/asan/sgmmcp
	$(MAKE) BUILD=build/tsan SANITIZE=thread $(THREADED:%=build/tsan/tests/%)
	tests/unit.sh build/tsan - $(THREADED)

check-guest:
	tests/deps.sh system qemu
	$(MAKE) all guest-helpers
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined \
		EXTRA_CFLAGS='-fno-sanitize-recover=all' BIN=build/asan/sgmmcp build/asan/sgmmcp
	tests/system.sh

coverage:
	tests/coverage.sh

demo:
	tests/deps.sh demo
	$(MAKE) all
	tests/demo.sh

bench:
	tests/deps.sh bench
	$(MAKE) all
	tests/bench/run.sh

bench-memory: deps-build $(MEMORY)
	$(MEMORY)

lint:
	tests/deps.sh lint unit
	tests/lint.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# --- packaging ---

install: all
	install -D -m 755 sgmmcp $(DESTDIR)$(PREFIX)/bin/sgmmcp
	install -D -m 644 man/sgmmcp.8 $(DESTDIR)$(PREFIX)/share/man/man8/sgmmcp.8
	install -D -m 644 completions/sgmmcp \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sgmmcp

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sgmmcp $(DESTDIR)$(PREFIX)/share/man/man8/sgmmcp.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sgmmcp

dist:
	git archive --prefix=sgmmcp-$(VERSION)/ -o sgmmcp-$(VERSION).tar.gz HEAD

clean:
	rm -rf build sgmmcp
