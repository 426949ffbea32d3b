"""docs/tables.md, made from the declarations."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.plan import DAILY
from warehouse.tables import TABLES, Table

_HEAD = """# Tables

Made from `warehouse/tables.py` by `backbeat tables document`; a test holds the two together.

## Lineage

```mermaid
flowchart LR
"""


def page() -> str:
    """The whole page, in Markdown."""
    return _HEAD + "\n".join(_lineage()) + "\n```\n\n" + "\n".join(_section(table) for table in TABLES.values())


def _lineage() -> Iterator[str]:
    for step in DAILY.steps:
        for source in step.reads:
            for target in step.writes:
                if source != target:
                    yield f"  {_node(source)} -->|{step.name}| {_node(target)}"


def _node(name: str) -> str:
    return f"{name.replace('.', '_')}[{name}]"


def _section(table: Table) -> str:
    partition = "Partitioned by day. " if table.daily else ""
    origin = f"Made from {', '.join(table.reads)}." if table.reads else "Told from outside."
    told = [
        f"## {table.name}\n",
        f"{table.comment}.\n",
        f"Grain: {', '.join(table.grain)}. Owner: {table.owner}. {partition}{origin}\n",
        "| column | type | may be unknown | meaning |\n|---|---|---|---|",
        *(
            f"| {column.name} | {column.type} | {'yes' if column.null else ''} | {column.comment} |"
            for column in table.columns
        ),
    ]
    return "\n".join(told) + "\n"
