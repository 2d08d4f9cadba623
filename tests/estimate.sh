#!/bin/sh
# Prints how long the first build takes, unless its result is there.
# Usage: estimate.sh RESULT CORE_MINUTES, the minutes as measured on one core.
set -eu

[ ! -e "$1" ] || exit 0
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
minutes=$((($2 + cores - 1) / cores))
echo "first build: about $minutes minutes on $cores cores; later builds take seconds"
