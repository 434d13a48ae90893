#!/usr/bin/env bash
# Prints the path of a working Python with one of the given versions, in order of preference:
#     find_python.sh [--install] 3.13 3.12 3.11 3.10
# Checks $PYTHON313 and the like first, then, for each version, PATH, pyenv, conda and uv. If no Python is found, uv (if
# available) installs the first version when --install is given; otherwise the script exits with 1 and a message.
set -u

# Only running a candidate shows whether it works: a pyenv shim may have no Python behind it, Debian's python3 may lack
# ensurepip, and a Python built from source may lack ssl. The probe prints the real path, because a virtual environment
# cannot be recreated by its own Python.
probe='
import importlib, os, sys
if "%d.%d" % sys.version_info[:2] != sys.argv[1]:
    sys.exit(1)
path = os.path.realpath(sys.executable)
for module in ("ctypes", "ssl", "zlib", "venv", "ensurepip"):
    try:
        importlib.import_module(module)
    except ImportError:
        print("lacks %s %s" % (module, path))
        sys.exit(0)
print(path)'

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
    export UV_PYTHON_PREFERENCE=only-managed # otherwise a failing pyenv shim stops uv's search
    uv python find --system "$1"
}

incomplete="" # the first Python found that lacks a module, as "MODULE PATH"
try() { # SOURCE VERSION: prints a working Python and exits if the source has one
    local candidate answer
    while IFS= read -r candidate; do
        answer=$("${candidate:-false}" -I -c "$probe" "$2" </dev/null) || continue
        case "$answer" in
            "lacks "*) incomplete=${incomplete:-${answer#lacks }} ;;
            *) printf '%s\n' "$answer"; exit 0 ;;
        esac
    done < <("$1" "$2")
} 2>/dev/null

install=false
if [ "$1" = --install ]; then
    install=true
    shift
fi
for version; do try from_variable "$version"; done
for version; do
    for source in from_path from_pyenv from_conda from_uv; do try "$source" "$version"; done
done
if $install && [ -z "$incomplete" ] && command -v uv >/dev/null && uv python install "$1" >&2; then try from_uv "$1"; fi

versions="$*"
if [ -n "$incomplete" ]; then
    module=${incomplete%% *} path=${incomplete#* }
    case $module in
        venv | ensurepip) remedy="install the package python3-venv (apt-get install python3-venv)" ;;
        *) remedy="install a Python that has it" ;;
    esac
    echo "$path has no module $module: $remedy, then run the same command again" >&2
    exit 1
fi
variable=PYTHON${1/./}
echo "No working Python ${versions// / or } with venv and ssl was found on PATH or in pyenv, conda or uv. Install one" \
    "(pyenv install $1, or conda create -n py${1/./} python=$1)" \
    "or set $variable=/path/to/python$1${!variable:+ (${!variable} does not work)}." >&2
exit 1
