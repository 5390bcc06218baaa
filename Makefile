# switchyard: foreign tables over MongoDB and SQLite.
#
#	make, make install, make installcheck	as with any PGXS extension
#	make demo				a tour with private servers; needs only apt
#	make check				builds and tests everything, privately
#	make lint, make bench			a part of it, and the benchmark
#	make check-portability			the same on other releases of Debian
#	make check-mongod-versions		the same on other versions of MongoDB
#	make check-assert			the same under assertions and valgrind
#	make check-sanitize			the same under ASan and UBSan
#
# The second group installs what it needs, pg_config among it, and PGXS has a
# "check" of its own that does nothing.  So those targets run scripts of test/
# and do not include PGXS.

SCRIPT_GOALS = demo check bench lint check-portability check-mongod-versions check-assert check-sanitize $(if $(wildcard test/soak.sh),soak)

ifneq (,$(filter $(SCRIPT_GOALS),$(MAKECMDGOALS)))

OTHER_GOALS = $(filter-out $(SCRIPT_GOALS),$(MAKECMDGOALS))

.PHONY: $(MAKECMDGOALS)
.NOTPARALLEL:

demo:
	@test/demo.sh

check:
	@test/run_check.sh

bench:
	@test/bench.sh

soak:
	@test/soak.sh

lint:
	@test/lint/lint.py

check-portability:
	@test/check_portability.sh

check-mongod-versions:
	@test/check_mongod_versions.sh

check-assert:
	@test/check_assert.sh

check-sanitize:
	@test/check_sanitize.sh

ifneq (,$(OTHER_GOALS))
$(OTHER_GOALS):
	@$(MAKE) --no-print-directory $@
endif

else

# A driver that has a Makefile is a library of its own, the others are linked
# into switchyard.so; -DSY_LINKED_DRIVERS tells source/registry.c which.
APART = $(sort $(patsubst src/drivers/%/Makefile,%,$(wildcard src/drivers/*/Makefile)))
LINKED = $(filter-out $(APART),$(sort $(patsubst src/drivers/%/,%,$(dir $(wildcard src/drivers/*/*.c)))))

MODULE_big = switchyard
OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c) \
	$(foreach driver,$(LINKED),$(wildcard src/drivers/$(driver)/*.c)))
EXTENSION = switchyard
DATA = $(wildcard sql/switchyard--*.sql)
PGFILEDESC = "switchyard - foreign tables over MongoDB and SQLite"

PG_CPPFLAGS = -I$(srcdir)/src "-DSY_LINKED_DRIVERS=$(foreach driver,$(LINKED),SY_DRIVER($(driver)))"
SHLIB_LINK = -lsqlite3

# In this order: each script may use what an earlier one made.
REGRESS = setup options functions cursors sessions limits sqlite_types sqlite_pushdown sqlite_import \
	mongodb_types mongodb_pushdown mongodb_import trees views control disconnect privileges
REGRESS_PREP = installcheck-prep
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation

EXTRA_CLEAN = build/tree build/check

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq (,$(wildcard $(PGXS)))
$(error $(PG_CONFIG) or PGXS not found: install the package postgresql-server-dev-NN, or name another by PG_CONFIG=)
endif

# A server with JIT asks for bitcode, which only clang makes.  Without clang
# everything but inlining of our functions into JIT code works.
CLANG_NAME := $(shell sed -n 's/^CLANG[ \t]*=[ \t]*//p' $(dir $(PGXS))../Makefile.global)
ifeq (,$(shell command -v $(firstword $(CLANG_NAME) clang) 2>/dev/null))
override with_llvm = no
endif

include $(PGXS)

# PGXS as the distribution builds it tracks no headers.
SY_HEADERS = $(wildcard src/*/*.h src/drivers/*/*.h)
$(OBJS) $(OBJS:.o=.bc): $(SY_HEADERS) Makefile
src/source/registry.o src/source/registry.bc: src/drivers

# Libraries of their own: the same goals again in each folder.
.PHONY: $(foreach goal,all install uninstall clean,$(APART:%=$(goal)-%))
define apart_rules
all: all-$(1)
install: install-$(1)
uninstall: uninstall-$(1)
clean distclean: clean-$(1)
all-$(1) install-$(1) uninstall-$(1) clean-$(1): %-$(1):
	$$(MAKE) -C src/drivers/$(1) $$* PG_CONFIG='$$(PG_CONFIG)' with_llvm=$$(with_llvm)
endef
$(foreach driver,$(APART),$(eval $(call apart_rules,$(driver))))

# installcheck: a private mongod, which ends together with this make.
.PHONY: installcheck-prep
installcheck-prep:
	@test/installcheck_prep.sh $$PPID
INSTALLCHECK_ENV = $(shell cat build/installcheck/$(1) 2>/dev/null)
installcheck: export SY_MONGO_PORT = $(call INSTALLCHECK_ENV,port)
installcheck: export SY_TEST_DIR = $(call INSTALLCHECK_ENV,directory)
installcheck: export SY_PYTHON = /usr/bin/python3
installcheck: export PGOPTIONS = -c switchyard_test.directory=$(SY_TEST_DIR) -c switchyard_test.port=$(SY_MONGO_PORT)

# For scripts: "make print-REGRESS".
print-%:
	@echo $($*)

endif
