# SPDX-License-Identifier: Apache-2.0
#
# make all            programs in build/bin        make check       every test, with their set-up (root)
# make demo           install, build, run (root)   make lint        analysers and style
# V=1 shows commands; SAN=address,undefined, CC=clang and WERROR=0 are variants with a build folder of their own.

CC      ?= gcc
V       ?= 0
SAN     ?=
WERROR  ?= 1
PREFIX  ?= /usr/local
VERSION := $(shell cat VERSION)
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

VARIANT := $(if $(filter gcc cc,$(CC)),,-$(notdir $(CC)))$(if $(SAN),-san)$(VARIANT_SUFFIX)
B       := build$(if $(VARIANT),/variant$(VARIANT))
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' $(1) $(2))

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wundef -Wvla -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wswitch-enum \
	-Wimplicit-fallthrough -Wnull-dereference $(if $(filter 1,$(WERROR)),-Werror)
HARD := -fstack-protector-strong -fPIE -fno-common $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CPPFLAGS_ALL := -D_GNU_SOURCE -I. -include runtime/base/banned.h $(CPPFLAGS)
CFLAGS_ALL := -std=gnu17 -O2 -g $(WARN) $(HARD) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--hash-style=gnu -Wl,-O1 $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# What each program is made of. Libraries are linked from their archives where the distribution ships one: a run of
# brig-oci then loads libc and nothing else.
BASE_SRC    := $(wildcard runtime/base/*.c)
ENGINE_SRC  := $(filter-out runtime/oci/main.c,$(BASE_SRC) $(wildcard runtime/*.c runtime/oci/*.c namespaces/*.c cgroups/*.c))
ENGINE_LIBS := -Wl,-Bstatic -lcgroup -lseccomp -lcap -lyajl_s -Wl,-Bdynamic
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

.PHONY: all
all: $(B)/bin/brig-oci $(B)/bin/brig-vm

$(B)/bin/brig-oci: $(call obj,$(ENGINE_SRC) runtime/oci/main.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(ENGINE_LIBS)

$(B)/bin/brig-vm: $(B)/bin/brig-oci
	$(Q)ln -f $< $@

# The version goes into one file, so that a commit rebuilds one object.
$(B)/obj/runtime/version.o: CPPFLAGS_ALL += -DBRIG_VERSION='"$(VERSION)"' -DBRIG_COMMIT='"$(COMMIT)"'

$(B)/obj/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/test_X.c is linked with every object of the engine but main, and needs no root.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))
$(B)/tests/libengine.a: $(call obj,$(ENGINE_SRC))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(UNIT_BIN): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/tests/libengine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libengine.a $(ENGINE_LIBS)

.PHONY: check-unit
check-unit: $(UNIT_BIN)
	$(Q)tests/run-unit.sh $(UNIT_BIN)

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
