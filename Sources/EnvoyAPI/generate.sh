#!/bin/sh
# Writes what is generated from Protos/: the Swift messages (Sources/EnvoyProtos) and the descriptor set that the reader
# walks by (Sources/CEnvoyAPI/descriptors.inc). Run it after a change of Protos/ and commit the result.
# Needs protoc, and protoc-gen-swift of the SwiftProtobuf version in Package.resolved (on PATH, or named by PROTOC_GEN_SWIFT).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protos=$here/Protos
swift=$here/../EnvoyProtos
c=$here/../CEnvoyAPI
plugin=${PROTOC_GEN_SWIFT:-$(command -v protoc-gen-swift)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$protos"
protoc -I. --descriptor_set_out="$scratch/set" --include_imports ./*.proto

# The rules and our options live in the descriptor set only; nothing in Swift reads them as messages.
rm -f "$swift"/*.pb.swift
for file in *.proto; do
  case $file in validate.proto | martlet.proto) continue ;; esac
  set -- "$@" "$file"
done
protoc -I. --plugin=protoc-gen-swift="$plugin" --swift_out="$swift" \
  --swift_opt=Visibility=Public "$@"

od -An -v -tu1 -w32 "$scratch/set" | sed 's/^ *//; s/  */,/g; s/$/,/' > "$c/descriptors.inc"
