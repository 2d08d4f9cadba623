#!/bin/sh
# Checks template.yaml: as CloudFormation reads it, and against known mistakes.
#
# Installs what it needs from PyPI by name, into target/aws/venv. The SAM CLI that aws-local has
# installed there is used if it is there, or the one in SIDETONE_AWS_VENV. What we leave as it is
# against a check's advice stands in the template's metadata, with its reason. Roles, wildcards
# and optional parts are checked by `cargo test -p sidetone-tests --test it template`.
set -eu
cd "$(dirname "$0")/.."

export SAM_CLI_TELEMETRY=0
region=${AWS_REGION:-us-east-1}
home=target/aws/venv
mkdir -p "$home"

# install ENVIRONMENT COMMAND REQUIREMENT...: makes a Python environment that has the command.
install() {
    environment=$1 command=$2
    shift 2
    if [ ! -x "$environment/bin/$command" ]; then
        echo "installing $*"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "$@"
    fi
}

# cfn-lint comes with the SAM CLI, which runs the same version in `sam validate --lint`; checkov
# wants other versions of what both use, so it has an environment of its own.
tools=${SIDETONE_AWS_VENV:-$home}/sam
if [ ! -x "$tools/bin/sam" ]; then
    # Not where aws-local looks, which wants cargo-lambda beside it.
    tools=$home/check
fi
install "$tools" sam aws-sam-cli==1.170.0 cfn-lint==1.58.0
install "$home/checkov" checkov checkov==3.3.30

echo "sam validate --lint"
"$tools/bin/sam" validate --lint --template-file template.yaml --region "$region"

echo "cfn-lint"
"$tools/bin/cfn-lint" --regions "$region" --template template.yaml

echo "checkov"
"$home/checkov/bin/checkov" --file template.yaml --framework cloudformation \
    --compact --quiet --skip-download

# A check that finds nothing may just not look: it has to find this.
echo "checkov, on a template that is wrong"
wrong=$(mktemp -d)
trap 'rm -r "$wrong"' EXIT
sed 's/BlockPublicAcls: true/BlockPublicAcls: false/' template.yaml > "$wrong/template.yaml"
if "$home/checkov/bin/checkov" --file "$wrong/template.yaml" --framework cloudformation \
    --compact --quiet --skip-download > "$wrong/found"; then
    echo "checkov did not notice a public bucket" >&2
    exit 1
fi
grep -q CKV_AWS_53 "$wrong/found"

echo "template.yaml is clean"
