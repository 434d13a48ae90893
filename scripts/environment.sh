#!/usr/bin/env bash
# Sets up the virtual environment of a stack and points .venv to it:
#     environment.sh [legacy|modern]
# legacy: Python 3.7 with TensorFlow 1.15, and Vela in .venv-vela; modern: Python 3.10 to 3.13 with TensorFlow 2.
# Without an argument, the stack is legacy if a Python 3.7 is found, and modern otherwise.
#     environment.sh vela38|peers
# sets up an environment for a single purpose: Vela 3.8.0, or the other searches of benchmarks/search_quality.py.
# A complete environment is left as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
MODERN="3.13 3.12 3.11 3.10"

# The user's settings must not redirect installations to a place outside the environment.
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH

# Prints what an environment is made from; the environment is rebuilt when that changes or when the checkout is moved.
state_of() { # FOLDER PYTHON REQUIREMENTS...
    local folder=$1 python=$2
    shift 2
    printf '%s\n' "$PWD/$folder" "$python"
    cat "$@"
}

is_complete() { # FOLDER REQUIREMENTS...
    local folder=$1 python
    shift
    [ -x "$folder/bin/python" ] && [ -f "$folder/.state" ] || return 1
    python=$(sed -n 2p "$folder/.state")
    [ -x "$python" ] && state_of "$folder" "$python" "$@" | cmp -s - "$folder/.state"
}

install() { # FOLDER ARGUMENT...
    local folder=$1
    shift
    "$folder/bin/python" -I -m pip --disable-pip-version-check --no-input install -q --no-deps --no-user "$@"
}

# Creates an environment from scratch, because an interrupted installation can leave half a package.
create() { # FOLDER VERSIONS REQUIREMENTS...: the last file lists all packages
    local folder=$1 versions=$2 python
    shift 2
    is_complete "$folder" "$@" && return
    # shellcheck disable=SC2086  # several versions are several words
    python=$(scripts/find_python.sh --install $versions)
    echo "Setting up $folder with $python (this may take a few minutes)"
    "$python" -I -m venv --clear "$folder"
    if grep -q '^pip==' "$1"; then install "$folder" -c "$1" pip setuptools wheel; fi
    install "$folder" --no-build-isolation -r "${!#}"
    state_of "$folder" "$python" "$@" >"$folder/.state"
}

# Installs the checkout itself; when pyproject.toml changes, only this step is repeated.
install_project() { # FOLDER
    cmp -s pyproject.toml "$1/.project" && return
    install "$1" --no-build-isolation -e .
    "$1/bin/python" -I -m pip --disable-pip-version-check check
    cp pyproject.toml "$1/.project"
}

set_up_vela() {
    create .venv-vela "$MODERN" requirements/vela.txt
    .venv-vela/bin/vela --version >/dev/null
}

set_up_legacy() {
    create .venv-legacy 3.7 requirements/legacy.txt requirements/legacy-dev.txt
    set_up_vela
}

set_up_modern() {
    create .venv-modern "$MODERN" requirements/modern.txt requirements/modern-dev.txt
}

choose() { # prints the stack, and the reason on standard error
    local python
    if is_complete .venv-legacy requirements/legacy.txt requirements/legacy-dev.txt ||
        python=$(scripts/find_python.sh 3.7 2>/dev/null); then
        echo "Using the legacy stack (TensorFlow 1.15): a Python 3.7 was found${python:+ at $python}" >&2
        echo legacy
    else
        echo "Using the modern stack (TensorFlow 2): no Python 3.7 was found" >&2
        echo modern
    fi
}

use_stack() { # STACK
    "set_up_$1"
    install_project ".venv-$1"
    [ -L .venv ] || rm -rf .venv # a folder made by an earlier version of this project
    ln -sfn ".venv-$1" .venv
}

case ${1:-} in
    "") stack=$(choose); use_stack "$stack" ;;
    legacy | modern) use_stack "$1" ;;
    vela38) create .venv-vela38 3.7 requirements/vela38.txt ;;
    peers) create .venv-peers 3.7 requirements/benchmarks.txt ;;
    *) echo "STACK is $1; it must be legacy or modern" >&2; exit 2 ;;
esac
