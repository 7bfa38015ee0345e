#!/usr/bin/env bash
# Writes the chart, with its default values, as plain manifests: statefulset/manifests/, or the directory named.
# HELM names the program; helm 3 and 4 both do.
set -euo pipefail
cd "$(dirname "$0")"

helm=${HELM:-helm}
to=${1:-manifests}
command -v "$helm" >/dev/null || { echo "render.sh: there is no $helm; install helm, or name it by HELM" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$helm" template corndogs chart --namespace corndogs --output-dir "$work" >/dev/null
mkdir -p "$to"
rm -f "$to"/*.yaml
for file in "$work"/corndogs/templates/*.yaml; do
    # Nothing here is managed by helm.
    grep -vE '^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by):|^# Source:' "$file" >"$to/$(basename "$file")"
done
