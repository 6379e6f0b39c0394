# Shared by tools/demo and tools/check: machine, virtual environment, build.
# Sourced by bash with the repository root as the working directory.

DEBIAN_PACKAGES=(
  libmlir-22-dev mlir-22-tools llvm-22-dev clang-22 lld-22 libzstd-dev
  zlib1g-dev ninja-build ccache python3-venv python3-dev
)

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else bold='' dim='' plain=''; fi

fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# step NAME COMMAND...: announce, run, say how long it took.
step() {
  local name=$1 start=$EPOCHREALTIME
  shift
  printf '%s==> %s%s\n' "$bold" "$name" "$plain"
  "$@"
  awk -v n="$name" -v a="$start" -v b="$EPOCHREALTIME" -v d="$dim" \
    -v p="$plain" 'BEGIN { printf "%s    %s: %.1f s%s\n", d, n, b - a, p }'
}

# The lines of a log that show progress.
log_lines() { grep --line-buffered -E "$1" || true; }

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null |
      grep -q '^ii' || printf '%s\n' "$package"
  done
}

# install_packages PACKAGE...: as root through apt, else say what to run.
install_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    command -v llvm-config-22 >/dev/null && command -v clang++-22 >/dev/null ||
      fail "needs LLVM, MLIR and clang 22 (llvm-config-22, clang++-22); on" \
        "Debian these are: $*"
    return 0
  fi
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then return 0; fi
  if ((EUID != 0)); then
    printf 'Debian packages are missing. Run this, then come back:\n\n' >&2
    printf "  sudo sh -c 'apt-get update && apt-get install -y %s'\n\n" \
      "--no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "    installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -q --no-install-recommends
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  # The package lists of a fresh machine are empty or old.
  if ! "${install[@]}" --download-only "${missing[@]}" >/dev/null 2>&1; then
    apt-get update -q -o Acquire::Retries=3
  fi
  "${install[@]}" "${missing[@]}" | log_lines '^(Get:|Setting up|E:)' ||
    fail "apt-get failed"
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]})); then fail "apt-get did not install ${missing[*]}"; fi
}

# The first Python 3.11 or newer that runs (a version manager may leave shims
# that do not) and that can be built against.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.1{1,2,3,4} \
    /usr/bin/python3; do
    if [[ -n $candidate ]] && "$candidate" - 2>/dev/null <<'PYTHON'; then
import pathlib, sys, sysconfig, ensurepip, venv
header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not header.exists())
PYTHON
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  fail "no Python >= 3.11 with venv and headers found (set PYTHON=...)"
}

make_venv() {
  if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    local python
    python=$(find_python)
    rm -rf .venv
    echo "    $("$python" --version) at $python"
    "$python" -m venv .venv
  fi
  export PATH="$PWD/.venv/bin:$PATH"
}

# pip_install NAME REQUIREMENT...: install unless this exact list was
# installed before.
pip_install() {
  local stamp=.venv/.requirements-$1
  shift
  if [[ -f $stamp && $(<"$stamp") == "$*" ]]; then return 0; fi
  .venv/bin/python -m pip install --disable-pip-version-check \
    --progress-bar off --retries 5 "$@" |
    log_lines '^(Collecting|Successfully)' || fail "pip could not install $*"
  printf '%s' "$*" >"$stamp"
}

# requirements EXPRESSION: a list of pyproject.toml, one item a line.
requirements() {
  .venv/bin/python -c "import tomllib
project = tomllib.load(open('pyproject.toml', 'rb'))
print('\n'.join($1))"
}

install_extra() {
  local list
  mapfile -t list < <(
    requirements "project['project']['optional-dependencies']['$1']"
  )
  pip_install "$1" "${list[@]}"
}

build_requirements() {
  local list extra=() version
  mapfile -t list < <(requirements "project['build-system']['requires'] +
    project['project']['dependencies']")
  version=$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }') || true
  if [[ -z $version || $(printf '%s\n' 3.25 "$version" |
    sort -V | head -n 1) != 3.25 ]]; then
    extra+=('cmake>=3.25')
  fi
  ninja --version >/dev/null 2>&1 || extra+=(ninja)
  pip_install build "${list[@]}" "${extra[@]}"
}

configure() {
  # CMake reconfigures by itself when its own files change.
  local key="$PWD $(readlink -f .venv/bin/python) $(<CMakePresets.json)"
  if [[ -f build/build.ninja && -f build/.configured ]] &&
    [[ $(<build/.configured) == "$key" ]]; then
    return 0
  fi
  cmake --preset dev "-DPython_EXECUTABLE=$PWD/.venv/bin/python" ||
    fail "CMake could not configure build/"
  printf '%s' "$key" >build/.configured
}

build() {
  if [[ ! -t 1 ]]; then
    # A log wants a line now and then, not one per file.
    NINJA_STATUS='[%f/%t %es] ' ninja -C build |
      awk '/^\[/ { if (n++ % 20) next } { print; fflush() }'
    return
  fi
  NINJA_STATUS='[%f/%t %es] ' ninja -C build
}

# Python finds the package in build/python (sources linked, native module
# beside them) and the tools in .venv/bin: no PYTHONPATH, and an edit needs
# only ninja.
install_package() {
  local site tool
  site=$(.venv/bin/python -c \
    'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$PWD/build/python" >"$site/attn_mlir.pth"
  for tool in attn-opt attn-run; do
    ln -sf "$PWD/build/bin/$tool" .venv/bin/
  done
  printf '#!%s\nfrom attn_mlir._cli import attn_bench\n\nattn_bench()\n' \
    "$PWD/.venv/bin/python" >.venv/bin/attn-bench
  chmod +x .venv/bin/attn-bench
  .venv/bin/python -c 'import attn_mlir' ||
    fail "the package was built but does not import"
}

set_up() {
  step 'Debian packages' install_packages "${DEBIAN_PACKAGES[@]}"
  step 'virtual environment' make_venv
  step 'build requirements' build_requirements
  step 'configure' configure
  step 'build' build
  step 'install into .venv' install_package
}
