#!/bin/sh
# Writes what is generated from Protos/: the Swift messages (Sources/EnvoyProtos) and the descriptor set that the reader
# walks by (Sources/CEnvoyAPI/descriptors.inc). Run it after a change of Protos/ and commit the result.
# Needs python3, protoc, and protoc-gen-swift of the SwiftProtobuf version in Package.resolved (on PATH, or named by PROTOC_GEN_SWIFT).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protos=$here/Protos
swift=$here/../EnvoyProtos
c=$here/../CEnvoyAPI
plugin=${PROTOC_GEN_SWIFT:-$(command -v protoc-gen-swift)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$protos"
# The older family of expressions, google.api.expr.v1alpha1, is the newer one under another name: it is made of it here.
for file in cel_*.proto; do
  sed 's/^package cel\.expr;/package google.api.expr.v1alpha1;/; s/^import "cel_/import "google_/' "$file" > "$scratch/google_${file#cel_}"
done
protoc -I. -I"$scratch" --descriptor_set_out="$scratch/set" --include_imports ./*.proto

# The rules and our options live in the descriptor set only; nothing in Swift reads them as messages. Nor does the wire tell
# the two families apart: Swift has the newer alone.
rm -f "$swift"/*.pb.swift
mkdir "$scratch/swift"
for file in *.proto; do
  case $file in validate.proto | martlet.proto) continue ;; esac
  sed 's/google\.api\.expr\.v1alpha1\./.cel.expr./; s/^import "google_/import "cel_/' "$file" | awk '!/^import/ || !seen[$0]++' > "$scratch/swift/$file"
  set -- "$@" "$file"
done
cd "$scratch/swift"
protoc -I. -I"$protos" --plugin=protoc-gen-swift="$plugin" --swift_out="$swift" \
  --swift_opt=Visibility=Public "$@"
python3 "$here/trim.py" "$swift" "$here/../.."

od -An -v -tu1 -w32 "$scratch/set" | sed 's/^ *//; s/  */,/g; s/$/,/' > "$c/descriptors.inc"
