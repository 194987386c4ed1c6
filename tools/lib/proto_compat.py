"""Compares the contracts under proto/ with the committed ones: inside a version there are only additions.

usage: proto_compat.py ROOT [--fix]     --fix takes additions into proto/baseline.binpb; it never takes a breaking change
"""

import os
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

BASELINE = "proto/baseline.binpb"
Field = descriptor_pb2.FieldDescriptorProto


def compile_protos(root):
    """The descriptor set of everything under ROOT/proto, without imports that are not the project's."""
    folder = os.path.join(root, "proto")
    names = sorted(os.path.relpath(os.path.join(at, name), folder)
                   for at, _, files in os.walk(folder) for name in files if name.endswith(".proto"))
    with tempfile.NamedTemporaryFile(suffix=".binpb") as out:
        subprocess.run(["protoc", "-I", folder, f"--descriptor_set_out={out.name}", *names], check=True)
        return read_set(out.name)


def read_set(path):
    with open(path, "rb") as file:
        return descriptor_pb2.FileDescriptorSet.FromString(file.read())


def index(files):
    """Everything by full name, with the file it stands in."""
    messages, enums, services = {}, {}, {}

    def add_message(prefix, message, file):
        full = f"{prefix}.{message.name}"
        messages[full] = (message, file)
        for nested in message.nested_type:
            add_message(full, nested, file)
        for enum in message.enum_type:
            enums[f"{full}.{enum.name}"] = (enum, file)

    for file in files.file:
        for message in file.message_type:
            add_message(file.package, message, file.name)
        for enum in file.enum_type:
            enums[f"{file.package}.{enum.name}"] = (enum, file.name)
        for service in file.service:
            services[f"{file.package}.{service.name}"] = (service, file.name)
    return messages, enums, services


def type_text(field):
    name = field.type_name.lstrip(".") if field.type_name else Field.Type.Name(field.type)[len("TYPE_"):].lower()
    return f"repeated {name}" if field.label == Field.LABEL_REPEATED else name


def oneof_text(message, field):
    if not field.HasField("oneof_index") or field.proto3_optional:
        return ""
    return message.oneof_decl[field.oneof_index].name


def reserved(descriptor, number, name, inclusive_end):
    numbers = any(r.start <= number < r.end + (1 if inclusive_end else 0) for r in descriptor.reserved_range)
    return numbers and name in descriptor.reserved_name


def compare_fields(full, old, new):
    by_number = {field.number: field for field in new.field}
    by_name = {field.name: field for field in new.field}
    for field in old.field:
        now = by_number.get(field.number)
        if now is None or now.name != field.name:
            moved = by_name.get(field.name)
            if moved is not None and moved.number != field.number:
                yield f"{full}.{field.name} was renumbered from {field.number} to {moved.number}: give it {field.number} back"
            elif now is not None:
                yield (f"{full}: number {field.number} belonged to '{field.name}' and now belongs to '{now.name}': "
                       "a new field takes a new number")
            elif not reserved(new, field.number, field.name, False):
                yield (f"{full}.{field.name} = {field.number} was removed: put it back, or reserve both its number and "
                       f"its name ('reserved {field.number}; reserved \"{field.name}\";')")
            continue
        if type_text(field) != type_text(now):
            yield f"{full}.{field.name} changed its type from {type_text(field)} to {type_text(now)}: add a new field instead"
        elif oneof_text(old, field) != oneof_text(new, now):
            yield f"{full}.{field.name} moved into or out of a oneof: add a new field instead"
        elif field.proto3_optional != now.proto3_optional:
            yield f"{full}.{field.name} gained or lost 'optional': add a new field instead"


def compare_values(full, old, new):
    by_number = {}
    for value in new.value:
        by_number.setdefault(value.number, []).append(value.name)
    for value in old.value:
        names = by_number.get(value.number, [])
        if value.name in names:
            continue
        moved = [v.number for v in new.value if v.name == value.name]
        if moved:
            yield f"{full}.{value.name} was renumbered from {value.number} to {moved[0]}: give it {value.number} back"
        elif names:
            yield f"{full}: number {value.number} belonged to {value.name} and now belongs to {names[0]}"
        elif not reserved(new, value.number, value.name, True):
            yield f"{full}.{value.name} = {value.number} was removed: put it back, or reserve both its number and its name"


def compare_methods(full, old, new):
    by_name = {method.name: method for method in new.method}
    for method in old.method:
        now = by_name.get(method.name)
        if now is None:
            yield f"{full}.{method.name} was removed: clients still call it"
        elif (method.input_type, method.output_type) != (now.input_type, now.output_type):
            yield f"{full}.{method.name} changed its request or response type"
        elif (method.client_streaming, method.server_streaming) != (now.client_streaming, now.server_streaming):
            yield f"{full}.{method.name} changed what it streams"


def breaking_changes(old_set, new_set):
    """One readable line for each; empty when there are only additions."""
    faults = []
    kinds = zip(("message", "enum", "service"), index(old_set), index(new_set),
                (compare_fields, compare_values, compare_methods))
    for kind, old, new, compare in kinds:
        for full, (descriptor, file) in sorted(old.items()):
            if full not in new:
                faults.append(f"proto/{file}: {kind} {full} was removed: others still use it")
            else:
                faults.extend(f"proto/{new[full][1]}: {fault}" for fault in compare(full, descriptor, new[full][0]))
    return faults


def main():
    root, fix = sys.argv[1], "--fix" in sys.argv[2:]
    path = os.path.join(root, BASELINE)
    try:
        new = compile_protos(root)
    except subprocess.CalledProcessError:
        print("proto: protoc refuses the contracts; the reason stands above")
        return 1
    faults = []
    if os.path.exists(path):
        faults = breaking_changes(read_set(path), new)
    elif not fix:
        faults = [f"{BASELINE}: is missing; tools/check --fix writes it from the contracts as they are"]
    for fault in faults:
        print(fault)
    if fix and not faults:
        with open(path, "wb") as file:
            file.write(new.SerializeToString(deterministic=True))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
