"""lit configuration: `lit build/test`, or `ninja -C build check-attn`."""

import os
import platform
import re
import shutil
import subprocess

import lit.formats

config.name = "attn-mlir"
config.test_format = lit.formats.ShTest(execute_external=False)
# A C++ unit test is its own source file: its RUN line starts the program.
config.suffixes = [".mlir", ".test", ".cpp"]
config.excludes = ["Inputs", "python"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.attn_binary_root, "test")

attn_tools = os.path.join(config.attn_binary_root, "bin")
config.environment["PATH"] = os.pathsep.join(
    [attn_tools, config.llvm_tools_dir, os.environ["PATH"]]
)
config.environment["PYTHONPATH"] = os.path.join(config.attn_binary_root, "python")
for variable in ("OMP_NUM_THREADS", "XDG_CACHE_HOME"):
    if variable in os.environ:
        config.environment[variable] = os.environ[variable]

# A tool's name as a word of a RUN line; not inside a path or an option.
commands = {
    name: os.path.join(attn_tools, name)
    for name in ("attn-opt", "attn-run", "attn-bench")
}
for name in (
    "FileCheck",
    "not",
    "count",
    "split-file",
    "mlir-opt",
    "llc",
    "llvm-mc",
    "llvm-nm",
    "llvm-objdump",
    "mlir-translate",
):
    commands[name] = os.path.join(config.llvm_tools_dir, name)
if os.environ.get("ATTN_VERIFY_ROUNDTRIP") == "1":
    commands["attn-opt"] += " --verify-roundtrip"
for name, path in commands.items():
    pattern = rf"(?<![-\w./%]){re.escape(name)}(?![-\w./])"
    config.substitutions.append((pattern, path))

config.substitutions += [
    ("%python", config.python_executable),
    ("%unit", os.path.join(config.test_exec_root, "Unit")),
    ("%cc", "clang-22"),
]


def host_features():
    """CPU features as /proc/cpuinfo spells them: the CPUID bits."""
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            for line in cpuinfo:
                if line.startswith(("flags", "Features")):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


config.available_features.add(f"host-{platform.machine()}")
interesting = {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd"}
config.available_features |= host_features() & interesting

for program, feature in (
    ("qemu-aarch64", "qemu-aarch64"),
    ("qemu-aarch64-static", "qemu-aarch64"),
    ("ptxas", "ptxas"),
):
    path = shutil.which(program)
    if path and feature not in config.available_features:
        config.available_features.add(feature)
        config.substitutions.append((f"%{feature}", path))

for module in ("torch", "onnxruntime", "hypothesis"):
    found = subprocess.run(
        [
            config.python_executable,
            "-c",
            f"import importlib.util as u; exit(u.find_spec('{module}') is None)",
        ],
        stderr=subprocess.DEVNULL,
    )
    if found.returncode == 0:
        config.available_features.add(module)
