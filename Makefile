# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

# `make PYTHON=python3.12 ...` takes another Python; `make ROS_DISTRO=jazzy ...` other ROS wheels.
PYTHON ?= python3

export ROS_DISTRO

SHELL := /bin/bash
ENTER := source .venv/bin/activate && source install/local_setup.bash

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint faults fuzz audit clean

help: ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

setup: ## Make .venv and install/: everything that the other targets need
	@$(PYTHON) pip_ros/set_up.py

demo: setup ## Show the node at work on a stereo recording and a moving scene; writes demo_output/
	@$(ENTER) && geloc3r demo

test: setup ## Run all tests but the fault suite, or TESTS="test/nodes ..."
	@$(ENTER) && OMP_NUM_THREADS=1 pytest -n 2 --dist worksteal $(TESTS)

lint: setup ## Check style and types
	@$(ENTER) && ruff check && ruff format --check --quiet && mypy

faults: setup ## Do to the node what can go wrong on a robot; minutes, on a machine at rest
	@$(ENTER) && pytest -m faults test/faults

fuzz: setup ## Feed the parsers far more than `make test` does; hours
	@$(ENTER) && pytest --hypothesis-profile=long --timeout=0 test/fuzz

audit: setup ## Look up known vulnerabilities of all installed packages
	@.ci/audit

clean: ## Remove what setup and demo made
	@rm -rf .venv build install log demo_output *.egg-info
