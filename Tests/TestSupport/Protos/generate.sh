#!/bin/sh
# Writes ShopDescriptors.swift: the descriptor set of shop.proto, as the tests of grpc_json_transcoder configure it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
set=$(mktemp)
trap 'rm -f "$set"' EXIT
cd "$here"
protoc -I. --include_imports --descriptor_set_out="$set" shop.proto
{
  echo "/// The descriptor set of Protos/shop.proto, written by Protos/generate.sh."
  echo "package enum ShopDescriptors {"
  echo "    package static let base64 = \"\"\""
  base64 -w 120 "$set" | sed 's/$/\\/; $ s/\\$//; s/^/        /'
  echo "        \"\"\""
  echo "}"
} > ../ShopDescriptors.swift
