"""What `make install` does once the locked environment is there: the command, a Java runtime, Spark's jars."""
