"""Bringing in what people really have: a module a format, a registry, and one careful way into the lake.

A file is recognised (`formats`), parsed into told rows (`told`), checked row by row (`admission`), staged on local disk
(`staging`), and only when all of it was read does anything reach the lake (`landing`). `intake` is the whole of it.
"""
