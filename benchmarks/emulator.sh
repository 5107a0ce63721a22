#!/usr/bin/env bash
# Prepare what counts instructions of a Raspberry Pi's processor: benchmarks/emulator.sh FOLDER
#
# Builds QEMU's user mode with its insn plugin (Debian's packages have plugins switched off), takes
# Debian's Python for arm64 without installing it, and unpacks LiteRT and numpy beside it. Needs
# mmdebstrap, a C compiler, ninja, pkg-config and libglib2.0-dev, python3 with venv. Then:
#
#   FER_EMULATOR=FOLDER fer-convert RUN --out OUT
set -euo pipefail

folder=${1:?"usage: $0 FOLDER"}
qemu=10.0.2
litert=2.3.0
numpy=2.4.6
for tool in mmdebstrap ninja pkg-config cc python3 curl; do
    command -v "$tool" >/dev/null || { echo "$0: $tool is missing; install it" >&2; exit 69; }
done
pkg-config --exists glib-2.0 || { echo "$0: install libglib2.0-dev" >&2; exit 69; }

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet meson==1.12.1 pycotap setuptools wheel

if [ ! -x "$folder/qemu-aarch64" ]; then
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
    curl --fail --silent --show-error --location \
        "${mirror%/}/pool/main/q/qemu/qemu_$qemu+ds.orig.tar.xz" --output "$work/qemu.tar.xz"
    mkdir "$work/qemu"
    tar --extract --xz --file "$work/qemu.tar.xz" --directory "$work/qemu" --strip-components=1
    mkdir "$work/qemu/build"
    cd "$work/qemu/build"
    PATH=$work/venv/bin:$PATH ../configure --python="$work/venv/bin/python" \
        --target-list=aarch64-linux-user --enable-plugins --without-default-features \
        --disable-docs --disable-tools --disable-system --disable-install-blobs
    ninja qemu-aarch64 tests/tcg/plugins/libinsn.so
    cp tests/tcg/plugins/libinsn.so "$folder/"
    cp qemu-aarch64 "$folder/"
fi

if [ ! -e "$folder/root/usr/bin/python3" ]; then
    rm -rf "$folder/root"
    mmdebstrap --variant=extract --architectures=arm64 \
        --include=python3-minimal,libpython3-stdlib,libstdc++6,zlib1g bookworm "$folder/root"
fi

rm -rf "$folder/site"
"$work/venv/bin/pip" download --quiet --only-binary=:all: --no-deps --dest "$work/wheels" \
    --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
    --python-version 3.11 --implementation cp --abi cp311 \
    "ai-edge-litert==$litert" "numpy==$numpy"
for wheel in "$work"/wheels/*.whl; do
    python3 -m zipfile --extract "$wheel" "$folder/site"
done
echo "prepared; export FER_EMULATOR=$folder"
