#!/usr/bin/env bash
# Makes the Python stubs anew from the three .proto files, which are those of the Go module k8s.io/kubelet v0.36.3
# (pkg/apis/dra/v1, pkg/apis/pluginregistration/v1, pkg/apis/dra-health/v1alpha1; Apache-2.0), renamed, because
# two files named api.proto cannot live in one process.
set -euo pipefail
cd "$(dirname "$0")/../../.."
python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. gharial_agent/dra/kubelet/*.proto
