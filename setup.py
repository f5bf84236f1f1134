# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pip install .` serves machines without ROS: network, commands, training.

A ROS workspace builds the same code with its messages by CMakeLists.txt.
"""

from setuptools import find_packages, setup

RUN = [
    "backports.zstd>=1; python_version < '3.14'",
    "huggingface_hub>=0.25",
    "lz4>=4",
    "matplotlib>=3.5",
    "numpy>=1.21",
    "opencv-python-headless>=4.5",
    "pillow>=9.1",
    "pyyaml>=5.4",
    "rich>=12",
    "rosbags>=0.10.4",
    "rosbags-image>=0.10",
    "safetensors>=0.4",
    "torch>=2.5",
    "transforms3d>=0.4.1",
    "typer>=0.12",
]
TRAINING = ["accelerate>=1.0", "filelock>=3.13", "h5py>=3.6", "numba>=0.60", "tensorboard>=2.14"]
ONNX = ["onnx>=1.16", "onnxruntime>=1.18", "onnxscript>=0.5.4"]
TEST = [
    "evo>=1.30",  # GPL-3: a test compares APE and RPE with it, nothing else imports it
    "hypothesis>=6",
    "mypy>=1.10",
    "poselib>=2.0.4",
    "psutil>=5.9",
    "pytest>=8",
    "pytest-timeout>=2.2",
    "pytest-xdist>=3.5",
    "ruff>=0.6",
    "scipy>=1.9",
    "types-PyYAML",
]

setup(
    name="geloc3r_ros",
    version="0.1.0",
    description="Pose of one camera relative to another from two images, for ROS 2",
    author="The geloc3r_ros authors",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["geloc3r_ros", "geloc3r_ros.*"]),
        "geloc3r_training",
        *(f"geloc3r_training.{name}" for name in find_packages("training")),
    ],
    package_dir={"geloc3r_training": "training"},
    package_data={
        "geloc3r_ros": ["weights/*.safetensors", "demo/stereo/*", "demo/moving/*"],
    },
    install_requires=RUN,
    extras_require={
        "training": TRAINING,
        "baselines": ["poselib>=2.0.4"],  # for `geloc3r eval --method sift+poselib`
        "fuzz": ["atheris>=2.3"],  # for test/fuzz/atheris_fuzz.py
        "onnx": ONNX,  # `geloc3r export`; the backend needs onnxruntime or onnxruntime-gpu alone
        "test": [*TRAINING, *ONNX, *TEST],
    },
    entry_points={
        "console_scripts": [
            "geloc3r = geloc3r_ros.cli:main",
            "geloc3r-data = geloc3r_training.data.cli:main",
            "geloc3r-train = geloc3r_training.train:main",
        ]
    },
)
