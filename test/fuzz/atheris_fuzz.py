# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz one property of this folder with atheris, which steers by the coverage of our code.

    python test/fuzz/atheris_fuzz.py test_files.py::test_pairs --seconds 600

Bytes that break the property are left in ``crash-*``, and mean something to hypothesis alone; name
the file to repeat it: ``... test_files.py::test_pairs crash-6a1f``. Needs the extra ``fuzz``.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("property", help="FILE::FUNCTION, as pytest names it")
    parser.add_argument("crash", nargs="*", help="files of bytes to try, and nothing else")
    parser.add_argument("--seconds", type=int, default=600, help="how long to try")
    arguments = parser.parse_args()
    name, _, function = arguments.property.partition("::")
    sys.path.insert(0, str(HERE.parent))
    with atheris.instrument_imports(include=["geloc3r_ros", "geloc3r_training", "rosbags"]):
        spec = importlib.util.spec_from_file_location(Path(name).stem, HERE / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    fuzz_one_input = getattr(module, function).hypothesis.fuzz_one_input
    limits = [f"-max_total_time={arguments.seconds}", "-len_control=0", "-rss_limit_mb=8000"]
    atheris.Setup([sys.argv[0], *limits, *arguments.crash], fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
