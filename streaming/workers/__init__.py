"""Workers on Kafka: a process a feature, each a Faust app and a consumer group of its own."""
