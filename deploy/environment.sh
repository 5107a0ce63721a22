#!/usr/bin/env bash
# Makes the virtual environment of fer-edge: for `make demo`, and, sourced by install.sh, for the daemon.
#
#   environment.sh FOLDER WHAT-PIP-INSTALLS...
#
# Where apt's picamera2 is there, the environment sees apt's packages and takes versions that go with their numpy
# (docs/decisions/0019-one-environment.md). What is in FOLDER already stays.
set -euo pipefail

PYTHON=${PYTHON:-python3}

# Has Python itself, without an environment, this package? From apt, that is. has_package NAME
has_package() {
    "$PYTHON" -Pc 'import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))' "$1"
}

# What apt built for numpy 1 breaks beside numpy 2, the commonest breakage on bookworm.
has_numpy_1() { "$PYTHON" -Pc 'import numpy, sys; sys.exit(numpy.__version__ >= "2")' 2>/dev/null; }

# Prints what pip may choose from. With numpy 1, the versions that go with it, as on 32-bit ARM.
# print_constraints FILE own|1
print_constraints() {
    if [ "$2" = own ]; then
        cat "$1"
        return
    fi
    sed -n "s/^\(numpy\|opencv-python-headless\)==\([^ ;]*\) ;.*platform_machine == 'armv7l'.*/\1==\2/p" "$1"
    grep -v -E '^(numpy|opencv-python-headless)==' "$1"
}

make_environment() {
    local folder=$1 options=() numpy=own
    shift
    if has_package picamera2; then
        options+=(--system-site-packages)
        if has_numpy_1; then numpy=1; fi
    fi
    "$PYTHON" -m venv "${options[@]}" "$folder" || {
        echo "no venv; on Debian run: sudo apt install python3-venv" >&2
        return 1
    }
    print_constraints "$(dirname "${BASH_SOURCE[0]}")/../constraints.txt" "$numpy" >"$folder/constraints.txt"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$folder/constraints.txt" "$@"
    if [ ${#options[@]} -gt 0 ] && ! "$folder/bin/python" -c 'import picamera2' 2>/dev/null; then
        echo "picamera2 does not load here; $folder/bin/fer-edge doctor says why" >&2
    fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    [ $# -ge 2 ] || {
        echo "usage: environment.sh FOLDER WHAT-PIP-INSTALLS..." >&2
        exit 2
    }
    make_environment "$@"
fi
