#!/usr/bin/env bash
# Holds the users API and the organizations API of `sidetone run` against their OpenAPI documents,
# from outside: schemathesis sends what the documents allow and what they forbid. The cases are
# the same each time and take seconds.
set -euo pipefail
sidetone=$1
schemathesis=$2
folder=$(mktemp -d)
running=

stop() {
  [ -z "$running" ] || { kill -INT "$running" && wait "$running" || true; }
  running=
}
trap 'stop; rm -rf "$folder"' EXIT

# Starts it with more of a configuration, and finds out where its API listens.
start() {
  printf 'listen = "127.0.0.1:0"\ndata = "%s/data"\n[api]\nlisten = "127.0.0.1:0"\n%s\n' \
    "$folder" "$1" > "$folder/sidetone.toml"
  "$sidetone" run --json --config "$folder/sidetone.toml" > "$folder/out" 2> "$folder/log" &
  running=$!
  api=
  for _ in $(seq 300); do
    api=$(sed -n 's|.*users API at \(http://[^/]*\)/.*|\1|p' "$folder/out")
    [ -z "$api" ] || return 0
    sleep 0.1
  done
  cat "$folder/log"
  return 1
}

# Not checked: that all that the schemas allow is accepted, as a name may be taken or a file empty.
check() {
  for document in v1/openapi.json v1/organizations/openapi.json; do
    (cd "$folder" && "$schemathesis" run "$api/$document" --url "$api" --no-color \
      --seed 1 --generation-deterministic --continue-on-failure "$@")
  done
}

# Whoever is on this machine needs no token.
start 'organization = "0f0e0d0c-0b0a-4908-8706-050403020100"'
check --header 'Authorization: Bearer none' --phases coverage,fuzzing --max-examples 15 \
  --checks all --exclude-checks positive_data_acceptance,ignored_auth,missing_required_header
stop

# With tokens, every operation answers 401 without one. Wrong ones are delayed, so few are tried.
head -c 24 /dev/urandom | base64 > "$folder/token"
start "[[api.tokens]]
name = \"contract\"
organization = \"0f0e0d0c-0b0a-4908-8706-050403020100\"
token_file = \"$folder/token\""
for document in v1/openapi.json v1/organizations/openapi.json; do
  curl --silent --fail --header "Authorization: Bearer $(cat "$folder/token")" \
    "$api/$document" > "$folder/openapi.json"
  python3 - "$folder/openapi.json" "$api" <<'PYTHON'
import concurrent.futures, json, sys, urllib.error, urllib.request

document, api = json.load(open(sys.argv[1])), sys.argv[2]
operations = [
    (path, method, operation["responses"])
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
    if "responses" in operation
]

def problem(operation):
    path, method, responses = operation
    place = api + path.replace("{", "").replace("}", "")
    try:
        status = urllib.request.urlopen(urllib.request.Request(place, method=method.upper())).status
    except urllib.error.HTTPError as error:
        status = error.code
    if status != 401 or "401" not in responses:
        return f"{method.upper()} {path} answers {status}"

# Each refusal of one address takes longer than the one before, so they are asked for together.
with concurrent.futures.ThreadPoolExecutor(len(operations)) as pool:
    wrong = [found for found in pool.map(problem, operations) if found]
print("\n".join(wrong) or f"{len(operations)} operations answer 401 without a token")
sys.exit(bool(wrong))
PYTHON
done
