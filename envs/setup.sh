#!/bin/sh
# Builds .venv from the lock. Safe to repeat: an interrupted or outdated environment is completed.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-} python3.11 python3.12 python3 python; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "no Python 3.11 or 3.12 found; install one, or name it: make setup PYTHON=/path/to/python3.11"

if ! usable .venv/bin/python; then
    say "creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "$python cannot create virtual environments; on Debian and Ubuntu install python3-venv"
    }
fi
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != 0.13.8 ]; then
    say "installing uv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8 ||
        fail "uv could not be installed; is the package index reachable?"
fi
say "installing the locked packages (4.5 GB with the CUDA build of torch; minutes on a slow line)"
.venv/bin/uv pip sync --quiet --python .venv/bin/python --compile-bytecode --require-hashes \
    envs/requirements.lock ||
    fail "the locked packages could not be installed; check network and free disk space (12 GB), then repeat"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
    --editable . || fail "spoofscope itself could not be installed; see the message above"
sha256sum envs/requirements.lock envs/setup.sh pyproject.toml > .venv/complete
say "the environment is complete: .venv"
