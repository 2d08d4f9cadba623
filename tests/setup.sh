#!/bin/sh
# Installs what building and testing need and a bare machine may lack, by name, from Debian:
# a C compiler for SQLite and TLS, curl, nginx, Caddy, and Python with venv for the third-party client.
set -eu

missing=""
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v curl >/dev/null 2>&1 || missing="$missing curl ca-certificates"
command -v python3 >/dev/null 2>&1 || missing="$missing python3"
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
# The proxies of docs/proxies.md.
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
[ -x /usr/bin/caddy ] || missing="$missing caddy"
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"

if ! command -v cargo >/dev/null 2>&1; then
    echo "sidetone needs Rust (cargo) as rust-version in Cargo.toml says: see https://rustup.rs" >&2
    exit 1
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "please install:$missing" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
echo "installing from Debian's packages:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing
