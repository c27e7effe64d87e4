# kq: see README.md.
#
#   make                    build the programs, into build/
#   make demo               install missing packages, build, run real input through a broker
#   make test               install missing packages, build, run every test
#   make check              the same tests, installing nothing
#   make SAN=address,undefined test     (or SAN=thread)
#   make fuzz FUZZ_SECONDS=60           every fuzz target, with clang, a live broker, and
#                           jq expressions compiled and by libjq: FUZZ_PAIRS=1000000
#   make bench              measure the figures of the README
#   make soak               kill instances of kq-stream 200 times under load
#   make conformance        run other projects' clients; some: CONFORMANCE='kcat kafkajs';
#                           against Apache Kafka's broker: AGAINST=kafka
#   make install PREFIX=/usr/local DESTDIR=
#
# V=1 shows the commands, DEV=1 makes warnings errors.

CFLAGS       ?= -O2 -g
SAN          ?=
PREFIX       ?= /usr/local
BINDIR       ?= $(PREFIX)/bin
MANDIR       ?= $(PREFIX)/share/man
BASHCOMPDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR   ?= $(PREFIX)/share/zsh/site-functions
EXAMPLEDIR   ?= $(PREFIX)/share/doc/kq/examples
FISHCOMPDIR  ?= $(PREFIX)/share/fish/vendor_completions.d
AWK          ?= awk
FUZZ_SECONDS ?= 60
FUZZ_PAIRS   ?= 1000000
# Test programs that run at the same time; most of them mostly wait.
TEST_JOBS    ?= 4
FUZZ_CC      ?= clang
VERSION      := 0.1

comma    := ,
B        := build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-missing-field-initializers -Wvla -Wwrite-strings -Wpointer-arith -Werror=implicit \
            $(if $(DEV),-Werror)
kq_cflags = -std=c11 -D_GNU_SOURCE -DKQ_VERSION='"$(VERSION)"' -pthread \
            -Icommon -Icmd -I$(B)/gen -It/unit $(WARN) \
            $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
kq_ldflags = -Wl,--as-needed
# libc stands before Oniguruma, which has functions of the same names: regcomp, regexec.
kq_libs  ?= -lyaml -ljansson -lisal -llz4 -lzstd -lsnappy -lz -luring -lc -ljq -lonig -llmdb -lm
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-4s %s\n' $(1) $(patsubst $(B)/%,%,$@);)

lib_src  := $(wildcard common/*/*.c)
gen      := proto kerr_gen config_gen apis_gen
lib_obj  := $(lib_src:%.c=$(B)/%.o) $(gen:%=$(B)/gen/%.o)
# A command is cmd/NAME.c, or all files of cmd/NAME/ and of its folders.
cmd_dir  := $(patsubst cmd/%/,%,$(sort $(dir $(wildcard cmd/*/*.c))))
cmd_one  := $(patsubst cmd/%.c,%,$(wildcard cmd/*.c))
cmd      := $(cmd_one) $(cmd_dir)
schema   := $(sort $(wildcard share/proto/*.kqp))
unit     := $(patsubst t/unit/%.c,$(B)/t/%,$(filter-out t/unit/tap.c,$(wildcard t/unit/*.c)))
fuzz     := $(patsubst t/fuzz/%.c,%,$(filter-out t/fuzz/main.c t/fuzz/live%,$(wildcard t/fuzz/*.c)))
bench    := $(patsubst t/bench/%.c,$(B)/bench/%,$(wildcard t/bench/*.c))
helper   := $(patsubst t/lib/%.c,$(B)/t/lib/%,$(wildcard t/lib/*.c)) $(B)/t/lib/fuzz-live
cases    := $(B)/t/stream/run-cases
man      := $(patsubst share/man/%.in,$(B)/man/%,$(wildcard share/man/*.in))
gen_h    := $(gen:%=$(B)/gen/%.h) $(B)/gen/acl_gen.h

all: $(cmd:%=$(B)/%) $(man) $(cases)

# Generated code, from the data in share/.
$(B)/gen/proto.h $(B)/gen/proto.c: $(B)/gen/proto.%: share/gen/proto.awk $(schema)
	$(call say,GEN)mkdir -p $(@D) && $(AWK) -v what=$* -f $^ >$@.tmp && mv $@.tmp $@
$(B)/gen/kerr_gen.h $(B)/gen/kerr_gen.c: $(B)/gen/kerr_gen.%: share/gen/kerr.awk share/errors.tab
	$(call say,GEN)mkdir -p $(@D) && $(AWK) -v what=$* -f $^ >$@.tmp && mv $@.tmp $@
$(B)/gen/config_gen.h $(B)/gen/config_gen.c: $(B)/gen/config_gen.%: share/gen/config.awk share/config.tab share/kafka-config.tab
	$(call say,GEN)mkdir -p $(@D) && $(AWK) -v what=$* -f $^ >$@.tmp && mv $@.tmp $@
$(B)/gen/apis_gen.h $(B)/gen/apis_gen.c: $(B)/gen/apis_gen.%: share/gen/apis.awk share/apis.tab
	$(call say,GEN)mkdir -p $(@D) && $(AWK) -v what=$* -f $^ >$@.tmp && mv $@.tmp $@
$(B)/gen/acl_gen.h: share/gen/acl.awk share/acl.tab
	$(call say,GEN)mkdir -p $(@D) && $(AWK) -f $^ >$@.tmp && mv $@.tmp $@

# The compiler and the flags of the objects in B: when they change, everything is
# built again.  -Werror changes no object, so DEV=1 shares them.
flags    := $(filter-out -Werror,$(CC) $(kq_cflags) $(CPPFLAGS) $(CFLAGS) $(kq_ldflags) $(LDFLAGS) $(kq_libs) $(LDLIBS))
# Likewise the sources: when one is removed, its object leaves libkq.a and the commands.
sources  := $(lib_src) $(wildcard cmd/*.c cmd/*/*.c cmd/*/*/*.c)
remember  = $(if $(findstring <$(2)>,<$(file <$(1))>),,$(shell mkdir -p $(B))$(file >$(1),$(2)))
$(call remember,$(B)/.flags,$(flags))
$(call remember,$(B)/.sources,$(sources))

# An object depends on its source, on each header that its .d file lists (the
# compiler writes it), and on the flags.
compile   = $(call say,CC)mkdir -p $(@D) && $(CC) $(kq_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
link      = $(call say,LD)mkdir -p $(@D) && $(CC) $(kq_cflags) $(CFLAGS) $(kq_ldflags) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(kq_libs)
$(B)/%.o: %.c $(B)/.flags | $(gen_h)
	$(compile)
$(B)/%.o: $(B)/%.c $(B)/.flags | $(gen_h)
	$(compile)

$(B)/libkq.a: $(lib_obj) $(B)/.sources
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(cmd_one:%=$(B)/%): $(B)/%: $(B)/cmd/%.o $(B)/libkq.a $(B)/.flags
	$(link) $(LDLIBS)
define link_dir
$(B)/$(1): $(patsubst %.c,$(B)/%.o,$(wildcard cmd/$(1)/*.c cmd/$(1)/*/*.c)) $(B)/libkq.a $(B)/.flags
	$$(link) $$(LDLIBS)
endef
$(foreach c,$(cmd_dir),$(eval $(call link_dir,$(c))))

# Manual pages; the OPTIONS section comes from the program's own table.
$(B)/man/%: share/man/%.in share/gen/man.sh $(cmd:%=$(B)/%)
	$(call say,MAN)mkdir -p $(@D) && sh share/gen/man.sh $(B) $< >$@.tmp && mv $@.tmp $@

# Unit tests: one program per file, speaking TAP.  A test includes the files
# that it needs from a command's folder.  tests.sh lists the test functions,
# so they need no prototypes.
$(B)/t/unit/%.o: private WARN += -Wno-missing-prototypes
$(B)/t/%.list.c: t/unit/%.c share/gen/tests.sh
	$(call say,GEN)mkdir -p $(@D) && sh share/gen/tests.sh $< >$@
$(unit): $(B)/t/%: $(B)/t/unit/%.o $(B)/t/unit/tap.o $(B)/t/%.list.o $(B)/libkq.a $(B)/.flags
	$(link) $(LDLIBS)
$(bench): $(B)/bench/%: $(B)/t/bench/%.o $(B)/libkq.a $(B)/.flags
	$(link) $(LDLIBS)
# "Links: -lX" in a helper's first line names further libraries.
$(filter-out %/fuzz-live,$(helper)): $(B)/t/lib/%: $(B)/t/lib/%.o $(B)/libkq.a $(B)/.flags
	$(link) $(shell sed -n 's/^.*Links: *\(.*[^ *]\) *\*\/$$/\1/p' t/lib/$*.c) $(LDLIBS)

# The cases of stream processing.
$(cases): $(patsubst %.c,$(B)/%.o,$(wildcard t/stream/*.c)) $(B)/libkq.a $(B)/.flags
	$(link) $(LDLIBS)

# The corpora of the fuzz targets, run as ordinary tests.  A target that is named as a command
# has the command's files, but for main.c.
fuzz_cmd = $(filter-out %/main.o,$(patsubst %.c,$(B)/%.o,$(wildcard cmd/$(1)/*.c)))
define link_fuzz
$(B)/t/fuzz-$(1): $(B)/t/fuzz/$(1).o $(B)/t/fuzz/main.o $(call fuzz_cmd,$(1)) $(B)/libkq.a $(B)/.flags
	$$(link) $$(LDLIBS)
endef
$(foreach f,$(fuzz),$(eval $(call link_fuzz,$(f))))

# The fuzz target that sends requests to a live broker.
$(B)/t/lib/fuzz-live: $(B)/t/fuzz/live.o $(B)/t/fuzz/live_make.o $(B)/libkq.a $(B)/.flags
	$(link) $(LDLIBS)

test: deps
	$(Q)$(MAKE) --no-print-directory check
check: check-tidy check-unit check-stream check-cli
# The checks; share/gen/tidy explains them.
tidy := layers includes headers functions files columns form letters tags \
        symbols loops commands tree
check-tidy: $(cmd:%=$(B)/%)
	$(Q)AWK='$(AWK)' share/gen/tidy -b $(B) $(tidy)
# With sanitizers, which are slow, simulations run fewer histories.
check-unit: $(unit) $(fuzz:%=$(B)/t/fuzz-%)
	$(Q)$(if $(SAN),KQ_HISTORIES=$${KQ_HISTORIES:-$(if $(findstring thread,$(SAN)),100,1000)}) prove -j$(TEST_JOBS) $(if $(V),-v) --exec '' $(unit) $(fuzz:%=$(B)/t/fuzz-%)
check-stream: $(cases)
	$(Q)t/stream/make-cases.py 1 1200 >$(B)/t/stream/random.ndjson
	$(Q)for how in '' --restart --checkpoint --split '--split --restart' '--split --checkpoint'; do $(cases) $$how t/stream/public.ndjson t/stream/own.ndjson $(B)/t/stream/random.ndjson || exit 1; done
check-cli: all $(helper) $(bench)
	$(Q)PATH="$(CURDIR)/$(B):$(CURDIR)/$(B)/t/lib:$$PATH" KQ_SAN='$(SAN)' prove --failures --comments -j$(TEST_JOBS) $(if $(V),-v) --timer --exec 'bats --tap' $(or $(T),$(wildcard t/cli/*.bats))

demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)PATH="$(CURDIR)/$(B):$$PATH" share/demo
bench: all $(bench)
	$(Q)PATH="$(CURDIR)/$(B):$(CURDIR)/$(B)/bench:$$PATH" t/bench/run $(BENCH)
soak:
	$(Q)KQ_KILLS=$${KQ_KILLS:-200} $(MAKE) --no-print-directory T=t/cli/kq-stream-kill.bats check-cli
conformance: all
	$(Q)PATH="$(CURDIR)/$(B):$$PATH" AGAINST='$(or $(AGAINST),kq)' t/conformance/run $(CONFORMANCE)
fuzz: deps
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined,fuzzer-no-link CC=$(FUZZ_CC) fuzz-run
	$(Q)KQ_FUZZ_SECONDS=$(FUZZ_SECONDS) $(MAKE) --no-print-directory SAN=address,undefined \
	  T=t/cli/hostile-groups.bats check-cli
	$(Q)$(MAKE) --no-print-directory build/t/expr_pairs
	$(Q)KQ_PAIRS=$(FUZZ_PAIRS) KQ_SEED=$$(date +%s) build/t/expr_pairs
fuzz-run: $(lib_obj) $(foreach f,$(fuzz),$(call fuzz_cmd,$(f)))
	$(Q)for f in $(fuzz); do \
	  $(FUZZ_CC) $(subst $(comma)fuzzer-no-link,,$(kq_cflags)) $(CFLAGS) -fsanitize=fuzzer -o $(B)/fuzz-$$f t/fuzz/$$f.c \
	    $$(ls $(B)/cmd/$$f/*.o 2>/dev/null | grep -v /main.o) $(lib_obj) $(kq_libs) && \
	  mkdir -p $(B)/corpus/$$f && \
	  $(B)/fuzz-$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=$(B)/fuzz-$$f- $(B)/corpus/$$f $$(ls -d t/fuzz/corpus/$$f 2>/dev/null) || exit 1; done

deps:
	$(Q)share/install-deps $(if $(filter fuzz,$(MAKECMDGOALS)),--fuzz)

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(BASHCOMPDIR) $(DESTDIR)$(ZSHCOMPDIR) $(DESTDIR)$(FISHCOMPDIR)
	install -m 755 $(cmd:%=$(B)/%) $(DESTDIR)$(BINDIR)
	for m in $(man); do install -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/ || exit 1; done
	install -m 644 completions/kq.bash $(DESTDIR)$(BASHCOMPDIR)/kq
	for c in $(cmd); do ln -sf kq $(DESTDIR)$(BASHCOMPDIR)/$$c || exit 1; done
	install -m 644 completions/_kq $(DESTDIR)$(ZSHCOMPDIR)/_kq
	install -m 644 completions/kq.fish $(DESTDIR)$(FISHCOMPDIR)/kq.fish
	for c in $(cmd); do ln -sf kq.fish $(DESTDIR)$(FISHCOMPDIR)/$$c.fish || exit 1; done
	install -d $(DESTDIR)$(EXAMPLEDIR)
	cp -R share/examples/. $(DESTDIR)$(EXAMPLEDIR)
uninstall:
	for c in $(cmd); do rm -f $(DESTDIR)$(BINDIR)/$$c $(DESTDIR)$(BASHCOMPDIR)/$$c $(DESTDIR)$(FISHCOMPDIR)/$$c.fish; done
	for m in $(notdir $(man)); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$$m; done
	rm -f $(DESTDIR)$(BASHCOMPDIR)/kq $(DESTDIR)$(ZSHCOMPDIR)/_kq $(DESTDIR)$(FISHCOMPDIR)/kq.fish
	rm -rf $(DESTDIR)$(EXAMPLEDIR)
clean:
	rm -rf build

.PHONY: all test check check-tidy check-unit check-stream check-cli demo bench soak conformance fuzz fuzz-run deps install uninstall clean
# make would delete these as intermediate files.  All others are built when missing.
.SECONDARY: $(unit:%=%.list.c)
.DELETE_ON_ERROR:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
