# medallion: a PGXS extension of three shared libraries over one static library.
#
#   make            build                         make install    install into the server of PG_CONFIG
#   make check      all tests                     make demo       the walk-through on real data
#   make lint       structure and style rules     make bench      side-by-side benchmarks
#   make golden     compare with scikit-learn and R on real data
#   make deps       install the Debian packages the build and the tests need
#
# medallion.so      no third party: base, versioning, pipeline, feature, registry, monitor, worker (may be preloaded)
# medallion_ml.so   train, predict over src/ml; OpenBLAS, LAPACKE, threads
# medallion_lake.so object stores and file formats; libcurl, zlib
EXTENSION   := medallion
EXTVERSION  := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" medallion.control)
PG_CONFIG   ?= pg_config
export PG_CONFIG

objs         = $(patsubst %.c,%.o,$(foreach d,$(1),$(sort $(wildcard src/$(d)/*.c))))
CORE_OBJS   := src/medallion.o $(call objs,base versioning pipeline feature registry monitor worker)
ML_OBJS     := src/medallion_ml.o $(call objs,train predict)
LAKE_OBJS   := src/medallion_lake.o $(call objs,lake)
KERNEL_OBJS := $(call objs,ml)
KERNEL_LIB  := src/ml/libmedallion_ml.a

SUITES      := unit regress isolation tap
OWN_GOALS   := check $(SUITES:%=check-%) check-clients lint bench golden demo deps

ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)
# Served without PGXS, whose own "check" only prints an error.
#   make check REGRESS="a b"    the same for ISOLATION, TAP and UNIT: chosen tests of a suite
.PHONY: $(OWN_GOALS) build packages
deps: ; @test/deps.sh build test bench
packages: ; @test/deps.sh build $(if $(filter check%,$(MAKECMDGOALS)),test) $(filter bench golden,$(MAKECMDGOALS))
build: packages ; @$(MAKE) --no-print-directory -s all
check: build ; @test/run-check.sh $(SUITES)
check-unit check-regress check-isolation check-tap: build ; @test/run-check.sh $(subst check-,,$@)

# ORMs and their migration tools, from PyPI and npm; not part of check.
check-clients: build ; @test/clients/run.sh

lint: build ; @test/lint/run.sh
demo: build ; @test/demo.sh
bench: build ; @test/bench/bench.sh
golden: build ; @test/datasets/golden.sh

# The unit tests are linked with a sanitised build of src/ml, made once for all of them.
UNIT_TESTS  := $(patsubst test/unit/%.c,tmp_unit/%,$(wildcard test/unit/test_*.c))
UNIT_KERNEL := $(patsubst src/ml/%.c,tmp_unit/ml/%.o,$(wildcard src/ml/*.c))
UNIT_CC     := $(CC) -std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -ffp-contract=off -fsanitize=address,undefined \
               -fno-sanitize-recover=all -Wall -Wextra $(COPT) -MMD -MP -Isrc -Itest/unit
check check-unit: $(UNIT_TESTS)
$(UNIT_KERNEL) $(UNIT_TESTS): | packages
tmp_unit/ml/%.o: src/ml/%.c ; @mkdir -p $(@D) && $(UNIT_CC) -c $< -o $@
tmp_unit/libmedallion_ml.a: $(UNIT_KERNEL) ; @rm -f $@ && $(AR) crs $@ $^
tmp_unit/%: test/unit/%.c tmp_unit/libmedallion_ml.a
	@$(UNIT_CC) $< tmp_unit/libmedallion_ml.a -o $@ -llapacke -lopenblas -lpthread -lm
-include $(UNIT_KERNEL:.o=.d) $(UNIT_TESTS:=.d)
else
MODULES       := medallion medallion_ml medallion_lake
OBJS          := $(CORE_OBJS) $(ML_OBJS) $(LAKE_OBJS)
DATA_built    := medallion--$(EXTVERSION).sql
DATA          := $(wildcard sql/updates/medallion--*--*.sql)
EXTRA_CLEAN   := $(OBJS) $(KERNEL_OBJS) $(KERNEL_LIB) $(OBJS:.o=.d) $(KERNEL_OBJS:.o=.d) $(DATA_built) tmp_check tmp_unit tmp_fuzz tmp_demo tmp_bench tmp_clients tmp_golden
PG_CPPFLAGS   := -Isrc '-DPGDLLEXPORT=__attribute__((visibility("default")))'
PG_CFLAGS     := -std=gnu11 -fvisibility=hidden -Wextra -Wno-unused-parameter -Wno-sign-compare \
                 -Wno-missing-field-initializers -Wno-declaration-after-statement -MMD -MP
override with_llvm := no                             # else PGXS asks for bitcode of every object
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error no $(PG_CONFIG) here: `make deps` installs what the build needs, or name another with PG_CONFIG=/path/pg_config)
endif
include $(PGXS)

# The numeric library never sees the server's headers, and rounds the same on every processor; ml_screen.c says why it need not.
CONTRACT = off
src/ml/ml_screen.o: CONTRACT = fast
# Without these gcc moves vectors that are wider than the processor's by pieces that the next load has to wait for.
MOVES := $(shell $(CC) -mmove-max=512 -mstore-max=512 -E -x c /dev/null >/dev/null 2>&1 && echo -mmove-max=512 -mstore-max=512)
$(KERNEL_OBJS): %.o: %.c
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -fPIC -fvisibility=hidden -ffp-contract=$(CONTRACT) -fno-math-errno $(MOVES) -Wall -Wextra $(COPT) -MMD -MP -Isrc -c $< -o $@
$(KERNEL_LIB): $(KERNEL_OBJS) ; rm -f $@ && $(AR) crs $@ $^

link = $(CC) $(CFLAGS) -shared -o $@ $(filter %.o %.a,$^) $(LDFLAGS) $(LDFLAGS_SL)
# Nothing of the numeric library shows, the resolvers of cloned functions included.
hidden = -Wl,--exclude-libs,libmedallion_ml.a
core = -Wl,--no-as-needed -L. -l:medallion.so -Wl,--as-needed,-rpath,'$$ORIGIN'
medallion.so:      $(CORE_OBJS) $(KERNEL_LIB)              ; $(link) $(hidden) -lm
medallion_ml.so:   $(ML_OBJS) $(KERNEL_LIB) medallion.so   ; $(link) $(hidden) $(core) -llapacke -lopenblas -lpthread -lm
medallion_lake.so: $(LAKE_OBJS) medallion.so               ; $(link) $(core) -lcurl -lz

# The install script is the fragments in order.  OR REPLACE is for upgrade scripts only: in CREATE EXTENSION it
# would adopt objects that somebody planted.
$(DATA_built): $(sort $(wildcard sql/[0-9][0-9]_*.sql)) medallion.control
	sed 's/^CREATE OR REPLACE /CREATE /' $(filter %.sql,$^) > $@

# Keeps the install script of a version that is released, for the upgrade test (sql/updates/README.md).
release-script: $(DATA_built) ; mkdir -p sql/released && cp -n $< sql/released/
-include $(OBJS:.o=.d) $(KERNEL_OBJS:.o=.d)
endif
