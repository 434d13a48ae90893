#!/usr/bin/env bash
# Prints the path of a Python of the version asked for: find_python.sh 3.7, or, the preferred first,
# find_python.sh 3.11 3.10. It is looked for in $PYTHON37, on PATH, in pyenv, in conda and at last with uv.
set -u

# Only running it tells: a pyenv shim may have no Python behind it, Debian's python3 may lack ensurepip, a
# Python built at home may lack ssl. The real path is printed, as .venv can't be made anew by its own Python.
probe='
import ctypes, ensurepip, os, ssl, sys, venv, zlib
if "%d.%d" % sys.version_info[:2] != sys.argv[1]:
    sys.exit(1)
print(os.path.realpath(sys.executable))'

from_variable() {
    local name=PYTHON${1/./}
    printf '%s\n' "${!name:-}"
}

from_path() {
    type -aP "python$1" python3 python
}

from_pyenv() {
    local root
    for root in "${PYENV_ROOT:-}" "$(pyenv root)" ~/.pyenv; do
        printf '%s\n' "$root"/versions/*/bin/"python$1"
    done
}

from_conda() {
    local prefix
    while IFS= read -r prefix; do
        printf '%s\n' "${prefix:+$prefix/bin/python}"
    done < <(printf '%s\n' "${CONDA_PREFIX:-}"; cat ~/.conda/environments.txt)
}

from_uv() {
    export UV_PYTHON_PREFERENCE=only-managed # or a pyenv shim that fails ends uv's search
    uv python find --system "$1" || { uv python install "$1" >&2 && uv python find --system "$1"; }
}

for source in from_variable from_path from_pyenv from_conda from_uv; do
    for version; do
        while IFS= read -r candidate; do
            "${candidate:-false}" -I -c "$probe" "$version" </dev/null && exit
        done < <("$source" "$version")
    done
done 2>/dev/null

variable=PYTHON${1/./} versions="$*"
cat >&2 <<MESSAGE
No working Python ${versions// / or } with venv and ssl was found on PATH or in pyenv, conda or uv.
Install one (pyenv install $1, or conda create -n py${1/./} python=$1)
or set $variable=/path/to/python$1${!variable:+ (${!variable} does not work)}.
MESSAGE
exit 1
