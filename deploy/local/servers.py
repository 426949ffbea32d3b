"""Every server that `backbeat stack` can start, by name: to add one, write its module and name it here."""

from __future__ import annotations

from deploy.local.bigquery import BIGQUERY
from deploy.local.bigtable import BIGTABLE
from deploy.local.kafka import KAFKA
from deploy.local.valkey import VALKEY

SERVERS = {service.name: service for service in (KAFKA, VALKEY, BIGTABLE, BIGQUERY)}
STREAM = ("kafka", "valkey")  # what the stream needs: started where none is named
