"""The schemas of events as they were published, one JSON file a topic, and what may change of them.

`python -m tests.warehouse.published` writes down what is new, and refuses what would break readers or writers of today.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from warehouse.events import TOPICS, Event, Topic

FOLDER = Path(__file__).parent / "published"
Described = dict[str, Any]


def described(topic: Topic) -> Described:
    """The topic as others must know it: its partitions, and of each field type, bounds, and whether it must be told."""
    return {"topic": topic.name, "partitions": topic.partitions, "fields": fields_of(topic.event)}


def fields_of(event: type[Event]) -> Described:
    """By name: the JSON schema of each field, and whether it is required."""
    schema = msgspec.json.schema(event, ref_template="{name}")
    definitions = schema["$defs"]
    own = definitions[event.__name__]
    required = set(own.get("required", ()))
    return {
        name: {"required": name in required, "type": _resolved(field, definitions)}
        for name, field in own["properties"].items()
    }


def published(topic: Topic) -> Described:
    """What was written down of it."""
    found: Described = msgspec.json.decode(_file(topic).read_bytes())
    return found


def breaks(old: Described, new: Described) -> list[str]:
    """What of `new` a frame of `old`, or a reader of it, would not survive."""
    told = []
    if old["partitions"] != new["partitions"]:
        told.append(f"partitions: found {new['partitions']}, wanted {old['partitions']}: listeners would move")
    for name, field in old["fields"].items():
        if name not in new["fields"]:
            told.append(f"{name}: found no such field any more")
        else:
            told += _field_breaks(name, field, new["fields"][name])
    added = {name: field for name, field in new["fields"].items() if name not in old["fields"]}
    told += [
        f"{name}: found a new field that is required, wanted a default" for name in added if added[name]["required"]
    ]
    return told


def _field_breaks(name: str, old: Described, new: Described) -> list[str]:
    told = []
    if old["required"] != new["required"]:
        told.append(f"{name}: found required {new['required']}, wanted {old['required']}")
    if _without_values(old["type"]) != _without_values(new["type"]):
        told.append(f"{name}: found {new['type']}, wanted {old['type']}")
    gone = set(old["type"].get("enum", ())) - set(new["type"].get("enum", ()))
    return told + [f"{name}: found no value {value!r} any more" for value in sorted(gone)]


def _without_values(schema: Described) -> Described:
    """A new value is a dead letter to old readers, and waits for their update: it may come."""
    return {key: "any" if key == "enum" else value for key, value in schema.items()}


def _resolved(schema: Any, definitions: Described) -> Any:
    """With what it refers to in its place, and without what explains."""
    if isinstance(schema, list):
        return [_resolved(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = definitions[schema["$ref"]] if "$ref" in schema else schema
    return {key: _resolved(value, definitions) for key, value in found.items() if key not in ("title", "description")}


def _file(topic: Topic) -> Path:
    return FOLDER / f"{topic.name}.json"


def main() -> int:
    """Write each topic's file anew where nothing breaks; 1, and what does, where something would."""
    FOLDER.mkdir(exist_ok=True)
    broken = [
        f"{topic.name}: {told}"
        for topic in TOPICS
        if _file(topic).exists()
        for told in breaks(published(topic), described(topic))
    ]
    if broken:
        sys.stderr.write("\n".join([*broken, "A change that breaks is another topic: NAME.v2 beside NAME.v1.", ""]))
        return 1
    for topic in TOPICS:
        text = msgspec.json.format(msgspec.json.encode(described(topic)), indent=2)
        _file(topic).write_bytes(text + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
