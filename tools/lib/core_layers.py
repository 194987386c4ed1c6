"""Cores of services stay free of transport and storage: no `_core` target links or includes gRPC, protobuf or pqxx."""

import os
import re

FORBIDDEN_LINK = re.compile(r"^(?:gRPC::|protobuf::|PkgConfig::PQXX|PostgreSQL::|switchyard_proto_|switchyard_rpc$|"
                            r"switchyard_pg$)")
FORBIDDEN_INCLUDE = re.compile(r"^(?:grpc|google/protobuf/|google/rpc/|pqxx/|libpq|switchyard/.*\.pb\.h$)")


def targets(tree):
    """name -> (sources, dependencies, file, line), as the CMake files say."""
    found = {}
    for name in tree.names:
        if os.path.basename(name) != "CMakeLists.txt":
            continue
        text = re.sub(r"#[^\n]*", "", tree.text(name))
        for match in re.finditer(r"\b(?:sy_library|sy_sql|sy_proto_library|add_library)\s*\(\s*(\S+)([^)]*)\)", text):
            words, sources, deps, into = match.group(2).split(), [], [], None
            for word in words:
                if word in ("SOURCES", "DEPS", "PROTOS", "GRPC", "NAMESPACE", "ROOT"):
                    into = sources if word == "SOURCES" else deps if word == "DEPS" else None
                elif into is not None:
                    into.append(word)
            line = text.count("\n", 0, match.start()) + 1
            folder = os.path.dirname(name)
            old = found.get(match.group(1), ([], [], name, line))
            found[match.group(1)] = (old[0] + [os.path.join(folder, s) for s in sources], old[1] + deps, name, line)
        for match in re.finditer(r"\btarget_link_libraries\s*\(\s*(\S+)([^)]*)\)", text):
            if match.group(1) in found:
                words = [w for w in match.group(2).split() if w not in ("PUBLIC", "PRIVATE", "INTERFACE")]
                found[match.group(1)][1].extend(words)
    return found


def core_layers(tree):
    known = targets(tree)
    for core in sorted(name for name in known if name.endswith("_core")):
        sources, _, file, line = known[core]
        if not file.startswith("services/"):
            continue
        for chain in links(known, core):
            yield f"{file}:{line}: {core} links {' -> '.join(chain[1:])}; a core links no gRPC, protobuf or pqxx"
        yield from reached_includes(tree, core, sources)


def links(known, start):
    """The chains of dependencies from start to something forbidden, one for each."""
    queue, seen = [[start]], {start}
    while queue:
        chain = queue.pop(0)
        for dep in known.get(chain[-1], ([], [], "", 0))[1]:
            if dep in seen:
                continue
            seen.add(dep)
            if FORBIDDEN_LINK.match(dep):
                yield chain + [dep]
            else:
                queue.append(chain + [dep])


def reached_includes(tree, core, sources):
    """Each forbidden include once, with the source that it was first reached from."""
    names = set(tree.names)
    queue = [(source, source) for source in sources]
    queue += [(re.sub(r"\.cc$", ".h", source), source) for source in sources]
    seen = set()
    while queue:
        name, source = queue.pop(0)
        if name in seen or name not in names:
            continue
        seen.add(name)
        for number, line in tree.code(name):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if not match:
                continue
            if FORBIDDEN_INCLUDE.match(match.group(1)):
                yield f"{name}:{number}: includes {match.group(1)}, and {core} reaches it from {source}"
            else:
                queue.append((match.group(1), source))
