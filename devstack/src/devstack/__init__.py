"""PostgreSQL, Kafka and all services on one machine, for `make run` and for the tests.

Reading order: `__main__` (the commands), `run` (what `make run` does), `parts` (where PostgreSQL and Kafka come from),
`postgres`, `kafka` and `docker` (the providers), `databases`, `services` and `processes` (what runs on top), `demo`
(who may sign in), `children` (programs that never outlive us), `state` (what is kept, and where).
"""
