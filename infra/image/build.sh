#!/bin/sh
# Builds the long-lived door as one static binary for the machine that this runs on:
#   target/image/<amd64|arm64>/sidetone-door
#
# Static, as the image has nothing else in it. With glibc: names and addresses are looked up by
# what is in its archive since 2.34, so nothing is loaded at run time. getrandom would look for
# the C library's function by name, which a static binary cannot, and then want /dev/urandom: it
# is told to ask the kernel. --target keeps the flags away from build scripts and procedural
# macros, which cannot be static; a target directory of its own keeps them away from every other
# build.
set -eu
cd "$(dirname "$0")/../.."

case "$(uname -m)" in
x86_64) arch=amd64 target=x86_64-unknown-linux-gnu ;;
aarch64) arch=arm64 target=aarch64-unknown-linux-gnu ;;
*) echo "build.sh: no image is made for $(uname -m)" >&2 && exit 1 ;;
esac

RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_raw"' \
	CARGO_PROFILE_RELEASE_STRIP=debuginfo \
	"${CARGO:-cargo}" build --release --locked --package sidetone-service --bin sidetone-door \
	--target "$target" --target-dir target/image

built="target/image/$target/release/sidetone-door"
if readelf --program-headers "$built" | grep -q INTERP; then
	echo "build.sh: $built wants an interpreter, so it is not static" >&2
	exit 1
fi
mkdir -p "target/image/$arch"
cp "$built" "target/image/$arch/sidetone-door.new"
mv "target/image/$arch/sidetone-door.new" "target/image/$arch/sidetone-door"
echo "target/image/$arch/sidetone-door"
