# SPDX-License-Identifier: Apache-2.0
#
# make all            programs in build/bin        make check       every test, with their set-up (root)
# make demo           install, build, run (root)   make lint        analysers and style
# V=1 shows commands; SAN=address,undefined, CC=clang and WERROR=0 are variants with a build folder of their own.

CC      ?= gcc
V       ?= 0
SAN     ?=
WERROR  ?= $(if $(SAN),0,1) # the sanitizers mislead flow analysis of gcc 12
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
CFLAGS_ALL := -std=gnu17 -O2 -g -ffunction-sections -fdata-sections $(WARN) $(HARD) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) $(CFLAGS)
LDFLAGS_ALL = $(PIE) -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--hash-style=gnu -Wl,-O1 $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# What each program is made of. brig-oci is static, libc included: nothing is loaded when it starts. Its tests, and builds with
# sanitizers, take libc dynamically and the other libraries from their archives.
PIE          = -pie
STATIC_PIE  := $(if $(SAN),-pie,-static-pie)
STATIC      := $(if $(SAN),-pie,-static) # relocating a PIE costs 13 page faults, 7 % of a run
BASE_SRC    := $(wildcard runtime/base/*.c)
MAINS       := runtime/oci/main.c cgroups/systemd_main.c
ENGINE_SRC  := $(filter-out $(MAINS),$(BASE_SRC) \
	$(wildcard runtime/*.c runtime/oci/*.c namespaces/*.c cgroups/*.c vm-mode/*.c vm-mode/host/*.c vm-mode/emulate/*.c \
	vm-mode/protocol/*.c vm-mode/vmm/*.c vm-mode/virtio/*.c))
ENGINE_LIBS := -Wl,--push-state,-Bstatic -lcgroup -lseccomp -lcap -lyajl_s -Wl,--pop-state
# Tables and --format templates: for the programs that people use.
OUTPUT_SRC  := $(wildcard runtime/cli/table.c runtime/cli/template*.c)
# Networks and volumes of brig's containers.
NET_SRC     := $(wildcard runtime/net/*.c runtime/cli/default_seccomp.c runtime/cli/volume*.c runtime/cli/tree_copy.c \
	runtime/cli/userns_helper.c)
# brig runs what is stored: of the image store it has what reads it, and none of the libraries that fill it.
READ_IMAGES := $(addprefix images/,digest.c erofs_layout.c image_config.c lookup.c reference.c registries.c rootfs.c store.c store_batch.c \
	store_image.c)
BRIG_SRC    := $(filter-out runtime/cli/main.c $(OUTPUT_SRC) $(NET_SRC),$(wildcard runtime/cli/*.c)) $(NET_SRC) $(READ_IMAGES)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

.PHONY: all
all: $(B)/bin/brig $(B)/bin/brig-oci $(B)/bin/brig-vm $(B)/bin/brig-systemd $(B)/bin/brig-images $(B)/bin/brig-guest

# hot.ld orders the functions (make hot).
HOT := $(if $(SAN),,-Wl,-T,runtime/oci/hot.ld)
$(B)/bin/brig: PIE = $(STATIC)
$(B)/bin/brig: $(call obj,runtime/cli/main.c $(BRIG_SRC) $(OUTPUT_SRC) $(ENGINE_SRC)) runtime/oci/hot.ld
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(HOT) -o $@ $(filter %.o,$^) $(ENGINE_LIBS)

$(B)/bin/brig-oci: PIE = $(STATIC)
$(B)/bin/brig-oci: $(call obj,$(ENGINE_SRC) runtime/oci/main.c) runtime/oci/hot.ld
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(HOT) -o $@ $(filter %.o,$^) $(ENGINE_LIBS)

$(B)/bin/brig-vm: $(B)/bin/brig-oci
	$(Q)ln -f $< $@

# Process 1 of the guests: what it uses of the engine's objects, fully static.
GUEST_SRC := $(wildcard vm-mode/guest/*.c)
$(B)/bin/brig-guest: PIE = $(STATIC_PIE)
$(B)/bin/brig-guest: $(call obj,$(GUEST_SRC) cgroups/libcg_users.c) $(B)/tests/libengine.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,--gc-sections -o $@ $^ $(ENGINE_LIBS)

# Calls systemd for brig-oci: libsystemd can only be loaded by a dynamic program.
$(B)/bin/brig-systemd: $(call obj,$(addprefix runtime/base/,dir.c err.c fd.c mem.c str.c sys.c) cgroups/systemd_main.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lsystemd

# The version goes into one file, so that a commit rebuilds one object.
$(B)/obj/runtime/version.o: CPPFLAGS_ALL += -DBRIG_VERSION=$(VERSION) -DBRIG_COMMIT=$(COMMIT)

$(B)/obj/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/test_X.c is linked with every object of the engine but main, and needs no root.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))
# ... and test_X.sh are scripts that run the programs.
UNIT_SH  := $(wildcard tests/unit/test_*.sh)
VMM_TESTS := $(addprefix $(B)/tests/test_,virtqueue boot acpi vmm fs)
$(B)/tests/libengine.a: $(call obj,$(ENGINE_SRC) $(OUTPUT_SRC) $(NET_SRC))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(filter-out $(VMM_TESTS) $(B)/tests/test_image_% $(B)/tests/test_cli_%,$(UNIT_BIN)): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/tests/libengine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libengine.a $(ENGINE_LIBS)

# brig's own parts, without the program's main
CLI_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_cli_*.c))
$(B)/tests/libbrig.a: $(call obj,$(filter-out $(NET_SRC),$(BRIG_SRC)))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(CLI_TESTS): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/tests/libbrig.a $(B)/tests/libengine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libbrig.a $(B)/tests/libengine.a $(ENGINE_LIBS)

# The virtual machine monitor: an archive for the vm backend and for its own tests, which need nothing of the engine.
VMM_SRC   := $(wildcard vm-mode/vmm/*.c vm-mode/virtio/*.c)
$(B)/tests/libvmm.a: $(call obj,$(VMM_SRC) $(BASE_SRC))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(filter $(VMM_TESTS),$(UNIT_BIN)): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/tests/libvmm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libvmm.a -pthread

# vmrun is static, so that it runs inside any test machine.
$(B)/tests/vmrun: PIE = $(STATIC_PIE)
$(B)/tests/vmrun: $(B)/obj/tests/helpers/vmrun.o $(B)/tests/libvmm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -pthread
.PHONY: vmm
vmm: $(B)/tests/libvmm.a $(B)/tests/vmrun

# The image store: an archive of its own, and the program of the verbs that bring images in and out.
IMAGES_SRC   := $(wildcard images/*.c)
IMAGES_LIBS  := -lcurl -larchive -lisal -lzstd -llzma -lbz2 -lcrypto -lyajl -pthread
IMAGES_PROGRAM_SRC := $(wildcard runtime/cli/images/*.c) $(OUTPUT_SRC) runtime/cli/event_line.c runtime/oci/options.c runtime/version.c
$(B)/bin/brig-images: $(call obj,$(IMAGES_PROGRAM_SRC) $(IMAGES_SRC) $(BASE_SRC))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(IMAGES_LIBS)
IMAGES_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_image_*.c))
$(B)/tests/libimages.a: $(call obj,$(IMAGES_SRC) $(BASE_SRC))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(IMAGES_TESTS): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/tests/libimages.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libimages.a $(IMAGES_LIBS)
$(B)/helpers/imgtool: $(B)/obj/tests/helpers/imgtool.o $(B)/tests/libimages.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/tests/libimages.a $(IMAGES_LIBS)
.PHONY: images
images: $(B)/tests/libimages.a $(B)/helpers/imgtool

# Programs that the scripts among the unit tests run: the coverage page's writer, and the fuzz targets with a plain main.
FUZZ_VMM     := virtqueue device bzimage fuse
FUZZ_IMAGES  := image_entries image_layer image_manifest image_reference image_toml
FUZZ_ENGINE  := json spec protocol
REPLAY       := $(addprefix $(B)/tests/replay_,$(FUZZ_ENGINE) $(FUZZ_VMM) $(FUZZ_IMAGES))
UNIT_HELP    := $(B)/tests/coverage $(REPLAY)
$(B)/tests/coverage: $(B)/obj/tests/helpers/coverage.o $(B)/tests/libengine.a
$(REPLAY): $(B)/tests/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(FUZZ_LIBS)
FUZZ_ALL      = $(addprefix $(B)/tests/replay_,$(1)) $(addprefix $(B)/fuzz/,$(1))
$(call FUZZ_ALL,$(FUZZ_ENGINE)): $(B)/tests/libengine.a
$(call FUZZ_ALL,$(FUZZ_ENGINE)): FUZZ_LIBS = $(ENGINE_LIBS)
$(call FUZZ_ALL,$(FUZZ_VMM)): $(B)/tests/libvmm.a
$(call FUZZ_ALL,$(FUZZ_VMM)): FUZZ_LIBS = -pthread
$(call FUZZ_ALL,$(FUZZ_IMAGES)): $(B)/tests/libimages.a
$(call FUZZ_ALL,$(FUZZ_IMAGES)): FUZZ_LIBS = $(IMAGES_LIBS)
$(B)/tests/coverage:
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(ENGINE_LIBS)
# brig's man page and completions, from the program's own help
.PHONY: cli-docs
cli-docs: $(B)/bin/brig
	$(Q)runtime/cli/manual/generate.sh $< >runtime/cli/brig.1
	$(Q)for p in bash:brig.bash zsh:_brig fish:brig.fish; do \
		runtime/cli/completions/generate.sh $< $${p%%:*} >runtime/cli/completions/$${p#*:}; done
.PHONY: coverage
coverage: $(B)/tests/coverage
	$(Q)$< >COVERAGE.md

# Fuzz targets under libFuzzer, FUZZ_SECONDS each; what they find is kept in the build folder.
FUZZ_SECONDS ?= 10
FUZZ_BIN     := $(addprefix $(B)/fuzz/,$(FUZZ_ENGINE) $(FUZZ_VMM) $(FUZZ_IMAGES))
$(FUZZ_BIN): $(B)/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)
.PHONY: fuzz fuzz-run
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang WERROR=0 SAN=fuzzer-no-link,address,undefined VARIANT_SUFFIX=-fuzz fuzz-run
fuzz-run: $(FUZZ_BIN)
	$(Q)for f in $^; do seeds=tests/fuzz/corpus/$${f##*/}; [ -d "$$seeds" ] || seeds=; mkdir -p "$$f.corpus"; \
		"$$f" -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix="$(CURDIR)/$$f-" \
			"$(CURDIR)/$$f.corpus" $$seeds >"$$f.log" 2>&1 || { cat "$$f.log"; exit 1; }; \
		echo "fuzz: $${f##*/}: $$(awk '/executed_units/ { print $$2 }' "$$f.log") runs"; done

.PHONY: check-unit
check-unit: all images $(UNIT_BIN) $(UNIT_HELP)
	$(Q)BRIG_OCI=$(B)/bin/brig-oci tests/run-unit.sh $(UNIT_BIN) $(UNIT_SH)

# ---- set-up: what the distribution has to provide ----

BUILD_PACKAGES := gcc libc6-dev make pkg-config libseccomp-dev libcap-dev libyajl-dev libcgroup-dev libsystemd-dev \
	libarchive-dev libisal-dev libzstd-dev liblzma-dev libbz2-dev libssl-dev libcurl4-openssl-dev
DEMO_PACKAGES := busybox-static lz4 qemu-system-x86 qemu-system-common # the last two run vm-mode where KVM cannot
LINT_PACKAGES  := clang clang-tidy clang-format cppcheck shellcheck
apt = DEBIAN_FRONTEND=noninteractive sh tests/install-packages.sh $(1)

.PHONY: build-deps test-deps lint-deps
build-deps:
	$(Q)$(call apt,$(BUILD_PACKAGES))
test-deps:
	$(Q)$(call apt,$(BUILD_PACKAGES) $(DEMO_PACKAGES) $$(grep -v '^\#' tests/packages.txt))
lint-deps:
	$(Q)$(call apt,$(BUILD_PACKAGES) $(LINT_PACKAGES))

# ---- what a new user types ----

.PHONY: demo
demo:
	$(Q)$(call apt,$(BUILD_PACKAGES) $(DEMO_PACKAGES))
	$(Q)$(MAKE) --no-print-directory all guest
	$(Q)examples/demo.sh $(B)/bin

# Set-up, unit tests, then the tests that need root. One line at the end sums up.
.PHONY: check check-root
check:
	$(Q)$(MAKE) --no-print-directory test-deps
	$(Q)$(MAKE) --no-print-directory all $(UNIT_BIN) $(UNIT_HELP) helpers guest
	$(Q)tests/run-all.sh $(B)
check-root: all helpers guest
	$(Q)tests/run-bats.sh $(B) $(or $(SUITES),tests/integration)

# The examples; and the contract tests against one backend: BACKEND=namespaces or vm; BRIG_OCI names another program.
.PHONY: check-conformance check-examples
check-examples: all helpers
	$(Q)tests/run-bats.sh $(B) tests/integration/examples.bats
check-conformance: all helpers
	$(Q)BACKEND=$(or $(BACKEND),namespaces) tests/run-bats.sh $(B) tests/conformance

# Small programs that tests use: a file each. Static, because they run in root file systems without libraries, too.
HELPER_BIN := $(patsubst tests/helpers/%.c,$(B)/helpers/%,\
	$(filter-out %/coverage.c %/vmrun.c %/imgtool.c,$(wildcard tests/helpers/*.c))) $(B)/helpers/imgtool # those link the libraries above
.PHONY: helpers
helpers: $(HELPER_BIN)
$(B)/helpers/%: tests/helpers/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -I. $(filter-out -fsanitize=%,$(CFLAGS_ALL)) -static -o $@ $<

.PHONY: bench
bench: all $(B)/bench/floor $(B)/bench/pairs # needs hyperfine, jq; compares with crun and runc where installed
	$(Q)tests/bench/run.sh $(B)
.PHONY: hot
hot: all $(B)/bench/touched
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(STATIC) -Wl,-Map=$(B)/bench/brig-oci.map -o $(B)/bin/brig-oci $(call obj,$(ENGINE_SRC) runtime/oci/main.c) $(ENGINE_LIBS)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(STATIC) -Wl,-Map=$(B)/bench/brig.map -o $(B)/bin/brig \
		$(call obj,runtime/cli/main.c $(BRIG_SRC) $(OUTPUT_SRC) $(ENGINE_SRC)) $(ENGINE_LIBS)
	$(Q)tests/bench/hot.sh $(B)
	$(Q)rm $(B)/bin/brig-oci $(B)/bin/brig
	$(Q)$(MAKE) --no-print-directory all
.PHONY: bench-vm
bench-vm: all vmm guest $(B)/bench/pairs $(B)/bench/first # needs a KVM that runs stock kernels, qemu-system-x86, jq
	$(Q)tests/bench/vm.sh $(B)
	$(Q)tests/bench/vmfs.sh $(B)
.PHONY: bench-images
bench-images: all # needs docker-registry, podman, skopeo, umoci, time, jq
	$(Q)tests/bench/images.sh $(B)
$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -I. -std=gnu17 -O2 $(WARN) -static -o $@ $<

# ---- analysers ----

LINT_SRC := $(shell git ls-files '*.c' 2>/dev/null | grep -v ^tests/)
LINT_SH  := $(shell git ls-files '*.sh' .ci/run 2>/dev/null)
.PHONY: lint lint-tidy lint-cppcheck lint-analyzer lint-shell lint-graph hdr-check
lint: lint-graph hdr-check lint-shell lint-cppcheck lint-tidy lint-analyzer
lint-graph:
	$(Q)tests/lint/include-graph.sh
hdr-check:
	$(Q)for h in $$(git ls-files '*.h' | grep -v banned.h); do \
		printf '#include "%s"\n' $$h | $(CC) $(CPPFLAGS_ALL) -std=gnu17 $(WARN) -Wno-unused-function -fsyntax-only -x c - || exit 1; done
lint-shell:
	$(Q)shellcheck -e SC2317 $(LINT_SH) # functions that traps and other functions call by name
lint-cppcheck:
	$(Q)cppcheck -q -j2 --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
		--suppressions-list=tests/lint/cppcheck.txt -D_GNU_SOURCE -I. $(LINT_SRC)
lint-tidy:
	$(Q)printf '%s\n' $(LINT_SRC) | xargs -P2 -n4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- $(CPPFLAGS_ALL) -std=gnu17 2>/dev/null' tidy
lint-analyzer:
	$(Q)printf '%s\n' $(LINT_SRC) | xargs -P2 -I{} $(CC) $(CPPFLAGS_ALL) -std=gnu17 -O2 -fanalyzer -DBRIG_ANALYZE -Werror -c -o /dev/null {}

compile_commands.json:
	$(Q)tests/lint/compile-commands.sh "$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)" > $@

# ---- guests: kernels and initramfs of vm-mode (vm-mode/kernel/) ----

GUEST_CACHE ?= $(B)/guest/cache
.PHONY: guest guest-kernel guest-kernel-deps
guest: $(B)/guest/vmlinux $(B)/guest/initramfs
$(GUEST_CACHE)/release: vm-mode/kernel/fetch.sh
	$(call say,FETCH,$(GUEST_CACHE))
	$(Q)vm-mode/kernel/fetch.sh $(GUEST_CACHE) && touch $@
$(B)/guest/vmlinux: $(GUEST_CACHE)/release
	@mkdir -p $(@D)
	$(Q)ln -f $(GUEST_CACHE)/vmlinux $@ 2>/dev/null || cp $(GUEST_CACHE)/vmlinux $@
$(B)/guest/mkinitramfs: $(call obj,vm-mode/kernel/mkinitramfs.c $(BASE_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lyajl
$(B)/guest/init: $(B)/bin/brig-guest
	@mkdir -p $(@D)
	$(Q)strip -o $@ $<
$(B)/guest/initramfs: $(B)/guest/mkinitramfs $(B)/guest/init vm-mode/kernel/modules.groups $(GUEST_CACHE)/release
	$(call say,GEN,$@)
	$(Q)$< $@ $(B)/guest/init $(GUEST_CACHE)/lib/modules/$$(cat $(GUEST_CACHE)/release) vm-mode/kernel/modules.groups
# The tuned kernel needs no modules: its initramfs is /init alone.
GUEST_KERNEL_CACHE ?= $(B)/guest/kernel
guest-kernel: $(B)/guest/mkinitramfs $(B)/guest/init
	$(Q)vm-mode/kernel/build.sh $(GUEST_KERNEL_CACHE)
	$(Q)cp $(GUEST_KERNEL_CACHE)/vmlinux $(B)/guest/vmlinux.tuned
	$(Q)$(B)/guest/mkinitramfs $(B)/guest/initramfs.tuned $(B)/guest/init
guest-kernel-deps:
	$(Q)$(call apt,gcc libc6-dev make flex bison bc libelf-dev libssl-dev xz-utils)

# ---- install ----

.PHONY: install uninstall
install: all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(B)/bin/brig $(B)/bin/brig-oci
	ln -f $(DESTDIR)$(PREFIX)/bin/brig-oci $(DESTDIR)$(PREFIX)/bin/brig-vm
	install -D -m 755 $(B)/bin/brig-systemd $(DESTDIR)$(PREFIX)/libexec/brig/brig-systemd
	install -D -m 755 $(B)/bin/brig-images $(DESTDIR)$(PREFIX)/libexec/brig/brig-images
	if [ -s $(B)/guest/initramfs ]; then install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/brig/guest $(wildcard $(addprefix $(B)/guest/,vmlinux \
		initramfs vmlinux.tuned initramfs.tuned)); fi
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 runtime/cli/brig.1 runtime/oci/brig-oci.1 images/brig-image.1
	install -D -m 644 runtime/brig.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/brig.conf.5
	install -D -m 644 runtime/cli/completions/brig.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/brig
	install -D -m 644 runtime/oci/completions/brig-oci.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/brig-oci
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions runtime/cli/completions/_brig runtime/oci/completions/_brig-oci
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d runtime/cli/completions/brig.fish \
		runtime/oci/completions/brig-oci.fish
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/lib/brig/guest
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/brig bin/brig-oci bin/brig-vm libexec/brig/brig-systemd libexec/brig/brig-images \
		share/man/man1/brig.1 share/man/man1/brig-oci.1 share/man/man1/brig-image.1 share/man/man5/brig.conf.5 share/bash-completion/completions/brig \
		share/bash-completion/completions/brig-oci share/zsh/site-functions/_brig share/zsh/site-functions/_brig-oci \
		share/fish/vendor_completions.d/brig.fish share/fish/vendor_completions.d/brig-oci.fish)

.PHONY: clean
clean:
	rm -rf build compile_commands.json

# ---- kvm-host: a machine in which KVM, cgroup v2, systemd and AppArmor are real (tests/kvm-host/README.md) ----

KVM_HOST_BIN := $(addprefix build/kvm-host/bin/kvm-host-,agent client supervise)
.PHONY: kvm-host-tools kvm-host-shell check-kvm-host
kvm-host-tools: $(KVM_HOST_BIN) build/kvm-host/bin/kvm-probe
$(KVM_HOST_BIN): build/kvm-host/bin/kvm-host-%: tests/kvm-host/%.c tests/kvm-host/wire.c tests/kvm-host/wire.h
	@mkdir -p $(@D)
	$(Q)gcc $(CPPFLAGS_ALL) -std=gnu17 -O2 -g $(WARN) -static -o $@ $(filter %.c,$^)
build/kvm-host/bin/kvm-probe: tests/kvm-host/kvm-probe.c
	@mkdir -p $(@D)
	$(Q)gcc $(CPPFLAGS_ALL) -std=gnu17 -O2 -g $(WARN) -static -o $@ $<
kvm-host-shell: all
	$(Q)tests/kvm-host/kvm-host shell $(KVM_HOST)
check-kvm-host: all helpers
	$(Q)tests/kvm-host/check.sh $(B) all $(KVM_HOST)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
