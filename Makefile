# The project's commands; each sets up what it needs. `make help` lists them.
.PHONY: help demo test bench lint fuzz setup build clean

PRESET ?= release
JOBS ?= $(shell nproc)
BUILD = build/$(if $(filter ci,$(PRESET)),release,$(PRESET))

help:
	@echo "make demo   build, quantize a digit classifier, evaluate it before and after"
	@echo "make test   build and run every test (some need ../shared and skip without it);"
	@echo "            PRESET=debug: under sanitizers, PRESET=notrain: the program without LibTorch"
	@echo "make bench  measure speed and memory against onnxruntime and LibTorch"
	@echo "make lint   clang-format and clang-tidy on changed files"
	@echo "make fuzz   run every fuzz target for 60 s"
	@echo "make setup  install what is missing: system packages (as root), .venv with LibTorch and the judges"

setup:
	@scripts/setup

build: setup
	@cmake --preset $(PRESET) > build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@ninja -C $(BUILD) -j $(JOBS)

demo: setup
	@cmake --preset release > /dev/null && ninja -C build/release -j $(JOBS) halftone
	@examples/digits/demo

test: build
	@scripts/run_tests $(BUILD)

bench: setup
	@cmake --preset release > /dev/null && ninja -C build/release -j $(JOBS) halftone halftone_runtime read_speed network_speed allocate_speed training_speed
	@bench/run build/release

lint:
	@scripts/setup clang-16 clang-tidy-16 clang-format-16
	@scripts/lint

fuzz:
	@scripts/setup clang-16 libclang-rt-16-dev
	@scripts/fuzz

clean:
	rm -rf build
