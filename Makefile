# Each target sets up what it needs, and a second run reuses what the first one installed.

.PHONY: help demo test package accuracy bench cost theory check format clean

help:
	@echo 'make demo     build everything and serve the page on 127.0.0.1 (PORT=4173)'
	@echo 'make test     check, then every test: Rust, WebAssembly in Chromium, npm package, page'
	@echo 'make package  fill pkg/dist: the WebAssembly module and the compiled TypeScript'
	@echo 'make accuracy errors of every method on the captured heads, as Markdown (JSON=FILE: each head)'
	@echo 'make bench    speed beside other packages, in Node and Chromium (QUICK=1, LONG=1, JSON=FILE)'
	@echo 'make cost     time and memory of the default method from 4,096 to 65,536 tokens'
	@echo 'make theory   three results of the paper measured, into data/theory and docs/figure-*.svg'
	@echo 'make check    formatting, lints and types'
	@echo 'make format   rewrite the sources the way make check wants them'
	@echo 'make clean    remove everything that was built (installed tools stay)'

demo test package accuracy bench cost theory check format clean:
	@scripts/$@.sh
