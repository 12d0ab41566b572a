#!/usr/bin/env bash
# Makes the virtual environment $1 with everything the project needs, from a bare Python 3.11.
set -euo pipefail
venv=${1:?usage: dev/setup.sh VENV}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or newer is needed, $("$python" --version) was found; name another with PYTHON=…" >&2
    exit 1
}
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" || {
    echo "setup: 'python -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
}
# The index of CPU-only torch wheels is smaller by gigabytes; where it answers, take torch from there.
torch_index=${GHARIAL_TORCH_INDEX-https://download.pytorch.org/whl/cpu}
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    if [ -n "$torch_index" ] && timeout 10 "$python" - "$torch_index" 2>/dev/null <<'PY'
import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=8).read(1)
PY
    then
        echo "setup: torch (CPU build) …"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --index-url "$torch_index" "torch>=2.9"
    fi
fi
echo "setup: Python packages into $venv (minutes the first time, seconds later) …"
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]'
